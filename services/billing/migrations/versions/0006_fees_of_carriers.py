"""What a carrier kept for itself of the cash that it collected
"""

from alembic import op
import sqlalchemy as sa

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('remittances', sa.Column('fee', sa.Numeric(), server_default=sa.text('0'), nullable=False))


def downgrade() -> None:
    op.drop_column('remittances', 'fee')
