"""Who an account is at the identity provider"""

from alembic import op
import sqlalchemy as sa

revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('accounts', sa.Column('identity', sa.Text(), server_default=sa.text("''"), nullable=False))


def downgrade() -> None:
    op.drop_column('accounts', 'identity')
