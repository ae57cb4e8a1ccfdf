"""Of which products that run low staff were told"""

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

revision = '0018'
down_revision = '0017'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'low_stock',
        sa.Column('name', sa.Text(), nullable=False),
        sa.Column('told_on', sa.Date(), nullable=True),
        sa.Column('told', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint('name', name=op.f('pk_low_stock')),
    )


def downgrade() -> None:
    op.drop_table('low_stock')
