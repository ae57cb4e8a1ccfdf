"""What waited for stock, how long, and what was given up meanwhile; `comptoir rebuild` fills it for older orders"""

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

revision = '0017'
down_revision = '0016'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'stock_said',
        sa.Column('order_id', sa.Uuid(), nullable=False),
        sa.Column('version', sa.Integer(), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('lines', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint('order_id', 'version', name=op.f('pk_stock_said')),
    )
    op.create_table(
        'backorders',
        sa.Column('order_id', sa.Uuid(), nullable=False),
        sa.Column('line_no', sa.Integer(), nullable=False),
        sa.Column('since', sa.DateTime(timezone=True), nullable=False),
        sa.Column('pieces', sa.Integer(), nullable=False),
        sa.Column('promised', sa.Integer(), nullable=False),
        sa.Column('lost', sa.Integer(), nullable=False),
        sa.Column('waiting', sa.Integer(), nullable=False),
        sa.Column('waited_s', sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint('order_id', 'line_no', name=op.f('pk_backorders')),
        postgresql_with={'fillfactor': 70, 'autovacuum_vacuum_scale_factor': 0.05},
    )
    op.create_index('ix_backorders_since', 'backorders', ['since'])


def downgrade() -> None:
    op.drop_table('backorders')
    op.drop_table('stock_said')
