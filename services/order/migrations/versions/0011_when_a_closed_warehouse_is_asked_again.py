"""When a warehouse that refused an order is asked again
"""

from alembic import op
import sqlalchemy as sa

revision = '0011'
down_revision = '0010'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('progress', sa.Column('refused_until', sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column('progress', 'refused_until')
