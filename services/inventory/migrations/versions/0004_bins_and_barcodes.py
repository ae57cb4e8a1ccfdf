"""In which bin a SKU lies, and its barcode
"""

from alembic import op
import sqlalchemy as sa

revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None

INDEXES = {'ix_items_barcode': "items (barcode) where barcode <> ''"}


def upgrade() -> None:
    op.add_column('items', sa.Column('barcode', sa.Text(), server_default='', nullable=False))
    op.create_table(
        'places',
        sa.Column('sku', sa.Text(), nullable=False),
        sa.Column('warehouse', sa.Text(), nullable=False),
        sa.Column('bin', sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint('sku', 'warehouse', name=op.f('pk_places')),
    )
    op.create_index('ix_places_bin', 'places', ['bin'], postgresql_where=sa.text("bin <> ''"))


def downgrade() -> None:
    op.drop_table('places')
    op.drop_index('ix_items_barcode', 'items')
    op.drop_column('items', 'barcode')
