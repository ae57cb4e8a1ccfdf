"""Lines of orders as they were sold, for reports; `comptoir rebuild backoffice` fills them for older orders"""

from alembic import op
import sqlalchemy as sa

revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('orders', sa.Column('net', sa.Numeric(16, 6), server_default=sa.text('0'), nullable=False))
    op.create_table(
        'sold',
        sa.Column('order_id', sa.Uuid(), nullable=False),
        sa.Column('line_no', sa.Integer(), nullable=False),
        sa.Column('sku', sa.Text(), nullable=False),
        sa.Column('text', sa.Text(), nullable=False),
        sa.Column('kind', sa.Text(), nullable=False),
        sa.Column('quantity', sa.Integer(), nullable=False),
        sa.Column('net', sa.Numeric(16, 6), nullable=False),
        sa.Column('vat_category', sa.Text(), nullable=False),
        sa.Column('vat_rate', sa.Numeric(16, 6), nullable=False),
        sa.PrimaryKeyConstraint('order_id', 'line_no', name=op.f('pk_sold')),
    )


def downgrade() -> None:
    op.drop_table('sold')
    op.drop_column('orders', 'net')
