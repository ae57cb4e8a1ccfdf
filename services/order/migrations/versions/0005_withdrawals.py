"""Which returns are the customer's own withdrawal, so that who keeps nothing gets the postage of every parcel
"""

from alembic import op
import sqlalchemy as sa

revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('returns', sa.Column('withdrawal', sa.Boolean(), server_default=sa.false(), nullable=False))


def downgrade() -> None:
    op.drop_column('returns', 'withdrawal')
