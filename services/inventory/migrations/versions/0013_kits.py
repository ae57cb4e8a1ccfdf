"""Kits, and which of them a SKU is in
"""

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

revision = '0013'
down_revision = '0012'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'kits',
        sa.Column('sku', sa.Text(), nullable=False),
        sa.Column('components', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column('version', sa.Integer(), nullable=False),
        sa.Column('announced', sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint('sku', name=op.f('pk_kits')),
    )
    op.create_table(
        'kit_parts',
        sa.Column('sku', sa.Text(), nullable=False),
        sa.Column('kit', sa.Text(), nullable=False),
        sa.Column('pieces', sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint('sku', 'kit', name=op.f('pk_kit_parts')),
    )


def downgrade() -> None:
    op.drop_table('kit_parts')
    op.drop_table('kits')
