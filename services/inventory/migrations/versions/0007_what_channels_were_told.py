"""Whether channels are to be told of a SKU's stock, and how often they were
"""

from alembic import op
import sqlalchemy as sa

revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('levels', sa.Column('due', sa.Boolean(), server_default=sa.text('false'), nullable=False))
    op.add_column('queues', sa.Column('announced', sa.Integer(), server_default=sa.text('0'), nullable=False))


def downgrade() -> None:
    op.drop_column('queues', 'announced')
    op.drop_column('levels', 'due')
