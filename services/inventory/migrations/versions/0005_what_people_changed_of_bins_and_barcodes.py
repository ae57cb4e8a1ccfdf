"""What people changed of bins and barcodes
"""

from alembic import op
import sqlalchemy as sa

revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'placements',
        sa.Column('cause', sa.Uuid(), nullable=False),
        sa.Column('sku', sa.Text(), nullable=False),
        sa.Column('warehouse', sa.Text(), nullable=False),
        sa.Column('bin_before', sa.Text(), nullable=False),
        sa.Column('bin', sa.Text(), nullable=False),
        sa.Column('barcode_before', sa.Text(), nullable=False),
        sa.Column('barcode', sa.Text(), nullable=False),
        sa.Column('actor', sa.Text(), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint('cause', name=op.f('pk_placements')),
    )
    op.create_index('ix_placements_sku_at', 'placements', ['sku', 'at'])


def downgrade() -> None:
    op.drop_table('placements')
