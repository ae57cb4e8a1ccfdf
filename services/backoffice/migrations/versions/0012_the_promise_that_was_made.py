"""The day that was promised to the customer stays when nothing is backordered any more; `comptoir rebuild` fills it"""

from alembic import op
import sqlalchemy as sa

revision = '0012'
down_revision = '0011'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('orders', sa.Column('accepted_on', sa.Date(), nullable=True))


def downgrade() -> None:
    op.drop_column('orders', 'accepted_on')
