"""What stock is worth: movements with their value, per SKU and day
"""

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

revision = '0014'
down_revision = '0013'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'valuations',
        sa.Column('cause', sa.Uuid(), nullable=False),
        sa.Column('sku', sa.Text(), nullable=False),
        sa.Column('warehouse', sa.Text(), nullable=False),
        sa.Column('line_no', sa.Integer(), nullable=False),
        sa.Column('kind', sa.Text(), nullable=False),
        sa.Column('seq', sa.BigInteger(), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('day', sa.Date(), nullable=False),
        sa.Column('pieces', sa.BigInteger(), nullable=False),
        sa.Column('value', sa.Numeric(), nullable=False),
        sa.Column('unit_cost', sa.Numeric()),
        sa.Column('difference', sa.Numeric(), nullable=False),
        sa.Column('order_id', sa.Uuid()),
        sa.PrimaryKeyConstraint('cause', 'sku', 'warehouse', 'line_no', 'kind', name=op.f('pk_valuations')),
    )
    op.create_index('ix_valuations_sku', 'valuations', ['sku', 'seq'], unique=True)
    op.create_index(
        'ix_valuations_order_id',
        'valuations',
        ['order_id'],
        postgresql_where=sa.text("order_id is not null and kind in ('issue', 'restock', 'quarantine')"),
    )
    op.create_index('ix_valuations_arrivals', 'valuations', ['sku', 'seq'], postgresql_where=sa.text('pieces > 0'))
    op.create_index(
        'ix_valuations_without_cost',
        'valuations',
        ['sku', 'seq'],
        postgresql_where=sa.text('pieces > 0 and unit_cost is null'),
    )
    op.create_table(
        'cost_changes',
        sa.Column('cause', sa.Uuid(), nullable=False),
        sa.Column('sku', sa.Text(), nullable=False),
        sa.Column('arrival', sa.Uuid(), nullable=False),
        sa.Column('warehouse', sa.Text(), nullable=False),
        sa.Column('line_no', sa.Integer(), nullable=False),
        sa.Column('kind', sa.Text(), nullable=False),
        sa.Column('unit_cost', sa.Numeric(), nullable=False),
        sa.Column('reason', sa.Text(), nullable=False),
        sa.Column('actor', sa.Text(), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint('unit_cost >= 0', name=op.f('ck_cost_changes_not_negative')),
        sa.PrimaryKeyConstraint('cause', name=op.f('pk_cost_changes')),
    )
    op.create_index(
        'ix_cost_changes_arrival', 'cost_changes', ['arrival', 'sku', 'warehouse', 'line_no', 'kind', 'at', 'cause']
    )
    op.create_index('ix_cost_changes_at', 'cost_changes', ['at'])
    op.create_table(
        'costings',
        sa.Column('sku', sa.Text(), nullable=False),
        sa.Column('seq', sa.BigInteger(), nullable=False),
        sa.Column('pieces', sa.BigInteger(), nullable=False),
        sa.Column('value', sa.Numeric(), nullable=False),
        sa.Column('unit_cost', sa.Numeric()),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('day', sa.Date(), nullable=False),
        sa.Column('sold_at', sa.DateTime(timezone=True)),
        sa.Column('received_at', sa.DateTime(timezone=True)),
        sa.Column('places', postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint('sku', name=op.f('pk_costings')),
        postgresql_with={'fillfactor': 70, 'autovacuum_vacuum_scale_factor': 0.05},
    )
    op.create_index(
        'ix_costings_value',
        'costings',
        [sa.text('value desc'), 'sku'],
        postgresql_where=sa.text('pieces > 0'),
    )
    op.create_table(
        'costing_days',
        sa.Column('sku', sa.Text(), nullable=False),
        sa.Column('day', sa.Date(), nullable=False),
        sa.Column('pieces', sa.BigInteger(), nullable=False),
        sa.Column('value', sa.Numeric(), nullable=False),
        sa.Column('places', postgresql.JSONB(), nullable=False),
        sa.Column('received', sa.BigInteger(), nullable=False),
        sa.Column('received_value', sa.Numeric(), nullable=False),
        sa.Column('sold', sa.BigInteger(), nullable=False),
        sa.Column('sold_value', sa.Numeric(), nullable=False),
        sa.Column('returned', sa.BigInteger(), nullable=False),
        sa.Column('returned_value', sa.Numeric(), nullable=False),
        sa.Column('adjusted', sa.BigInteger(), nullable=False),
        sa.Column('adjusted_value', sa.Numeric(), nullable=False),
        sa.Column('changed_value', sa.Numeric(), nullable=False),
        sa.Column('differences', sa.Numeric(), nullable=False),
        sa.PrimaryKeyConstraint('sku', 'day', name=op.f('pk_costing_days')),
        postgresql_with={'fillfactor': 70, 'autovacuum_vacuum_scale_factor': 0.05},
    )
    op.create_index('ix_costing_days_day', 'costing_days', ['day'])
    op.create_table(
        'valued',
        sa.Column('name', sa.Text(), nullable=False),
        sa.Column('currency', sa.Text(), nullable=False),
        sa.Column('until', sa.DateTime(timezone=True)),
        sa.Column('looked_back_at', sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint('name', name=op.f('pk_valued')),
    )


def downgrade() -> None:
    for table in ('valued', 'costing_days', 'costings', 'cost_changes', 'valuations'):
        op.drop_table(table)
