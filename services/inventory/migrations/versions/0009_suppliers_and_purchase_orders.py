"""Suppliers and purchase orders, which own the expected receipts of what they ordered
"""

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'suppliers',
        sa.Column('code', sa.Text(), nullable=False),
        sa.Column('name', sa.Text(), nullable=False),
        sa.Column('email', sa.Text(), nullable=False),
        sa.Column('lead_days', sa.Integer(), nullable=False),
        sa.Column('currency', sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint('code', name=op.f('pk_suppliers')),
    )
    op.create_table(
        'purchase_orders',
        sa.Column('purchase_id', sa.Uuid(), nullable=False),
        sa.Column('number', sa.Text(), nullable=False),
        sa.Column('supplier', sa.Text(), nullable=False),
        sa.Column('warehouse', sa.Text(), nullable=False),
        sa.Column('currency', sa.Text(), nullable=False),
        sa.Column('note', sa.Text(), nullable=False),
        sa.Column('state', sa.Text(), nullable=False),
        sa.Column('version', sa.Integer(), nullable=False),
        sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('sent_at', sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint('purchase_id', name=op.f('pk_purchase_orders')),
        sa.UniqueConstraint('number', name=op.f('uq_purchase_orders_number')),
    )
    op.create_index('ix_purchase_orders_created_at', 'purchase_orders', ['created_at', 'purchase_id'])
    op.create_table(
        'purchase_lines',
        sa.Column('purchase_id', sa.Uuid(), nullable=False),
        sa.Column('line_no', sa.Integer(), nullable=False),
        sa.Column('sku', sa.Text(), nullable=False),
        sa.Column('quantity', sa.BigInteger(), nullable=False),
        sa.Column('unit_cost', sa.Numeric(), nullable=False),
        sa.Column('expected_on', sa.Date(), nullable=False),
        sa.Column('received', sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            'quantity >= 0 and received >= 0 and unit_cost >= 0', name=op.f('ck_purchase_lines_not_negative')
        ),
        sa.PrimaryKeyConstraint('purchase_id', 'line_no', name=op.f('pk_purchase_lines')),
    )
    op.create_index('ix_purchase_lines_sku', 'purchase_lines', ['sku', 'purchase_id'])
    op.create_table(
        'purchase_acts',
        sa.Column('cause', sa.Uuid(), nullable=False),
        sa.Column('purchase_id', sa.Uuid(), nullable=False),
        sa.Column('version', sa.Integer(), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('actor', sa.Text(), nullable=False),
        sa.Column('what', sa.Text(), nullable=False),
        sa.Column('facts', postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint('cause', 'purchase_id', name=op.f('pk_purchase_acts')),
    )
    op.create_index('ix_purchase_acts_of', 'purchase_acts', ['purchase_id', 'version'], unique=True)
    op.create_table(
        'series',
        sa.Column('series', sa.Text(), nullable=False),
        sa.Column('year', sa.Integer(), nullable=False),
        sa.Column('last', sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint('series', name=op.f('pk_series')),
    )
    op.add_column('expected', sa.Column('purchase_id', sa.Uuid()))


def downgrade() -> None:
    op.drop_column('expected', 'purchase_id')
    for table in ('series', 'purchase_acts', 'purchase_lines', 'purchase_orders', 'suppliers'):
        op.drop_table(table)
