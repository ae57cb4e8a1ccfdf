"""Products that are kits, and which kits a product is a component of
"""

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('products', sa.Column('components', postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False))
    op.create_table(
        'kit_versions',
        sa.Column('sku', sa.Text(), nullable=False),
        sa.Column('version', sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint('sku', name=op.f('pk_kit_versions')),
    )
    op.create_table(
        'parts',
        sa.Column('sku', sa.Text(), nullable=False),
        sa.Column('kit', sa.Text(), nullable=False),
        sa.Column('pieces', sa.Integer(), nullable=False),
        sa.CheckConstraint('pieces >= 0', name=op.f('ck_parts_pieces')),
        sa.PrimaryKeyConstraint('sku', 'kit', name=op.f('pk_parts')),
    )


def downgrade() -> None:
    op.drop_table('parts')
    op.drop_table('kit_versions')
    op.drop_column('products', 'components')
