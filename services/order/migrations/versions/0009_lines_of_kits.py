"""Which lines of an order are components of a kit
"""

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('lines', sa.Column('kit', postgresql.JSONB(), nullable=True))


def downgrade() -> None:
    op.drop_column('lines', 'kit')
