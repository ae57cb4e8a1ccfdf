"""Who changed a product, when, from what to what
"""

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'product_versions',
        sa.Column('sku', sa.Text(), nullable=False),
        sa.Column('version', sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint('sku', name=op.f('pk_product_versions')),
    )
    op.create_table(
        'product_changes',
        sa.Column('sku', sa.Text(), nullable=False),
        sa.Column('version', sa.Integer(), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('cause', sa.Uuid(), nullable=False),
        sa.Column('actor', sa.Text(), nullable=False),
        sa.Column('way', sa.Text(), nullable=False),
        sa.Column('changes', postgresql.JSONB(), nullable=False),
        sa.CheckConstraint('version > 0', name=op.f('ck_product_changes_version')),
        sa.PrimaryKeyConstraint('sku', 'version', name=op.f('pk_product_changes')),
    )
    named = sa.text("actor <> ''")
    op.create_index('ix_product_changes_at', 'product_changes', ['at', 'cause', 'sku'], postgresql_where=named)


def downgrade() -> None:
    op.drop_table('product_changes')
    op.drop_table('product_versions')
