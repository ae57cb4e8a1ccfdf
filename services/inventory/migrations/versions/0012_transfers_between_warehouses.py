"""Transfers between warehouses, and movements of what is in transit
"""

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

revision = '0012'
down_revision = '0011'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'transfers',
        sa.Column('transfer_id', sa.Uuid(), nullable=False),
        sa.Column('number', sa.Text(), nullable=False),
        sa.Column('source', sa.Text(), nullable=False),
        sa.Column('destination', sa.Text(), nullable=False),
        sa.Column('expected_on', sa.Date(), nullable=False),
        sa.Column('note', sa.Text(), nullable=False),
        sa.Column('state', sa.Text(), nullable=False),
        sa.Column('version', sa.Integer(), nullable=False),
        sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('sent_at', sa.DateTime(timezone=True)),
        sa.CheckConstraint('source <> destination', name=op.f('ck_transfers_between_two')),
        sa.PrimaryKeyConstraint('transfer_id', name=op.f('pk_transfers')),
        sa.UniqueConstraint('number', name=op.f('uq_transfers_number')),
    )
    op.create_index('ix_transfers_created_at', 'transfers', ['created_at', 'transfer_id'])
    op.create_table(
        'transfer_lines',
        sa.Column('transfer_id', sa.Uuid(), nullable=False),
        sa.Column('line_no', sa.Integer(), nullable=False),
        sa.Column('sku', sa.Text(), nullable=False),
        sa.Column('quantity', sa.BigInteger(), nullable=False),
        sa.Column('sent', sa.BigInteger(), nullable=False),
        sa.Column('received', sa.BigInteger(), nullable=False),
        sa.Column('lost', sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            'quantity >= 0 and received >= 0 and lost >= 0 and received + lost <= sent',
            name=op.f('ck_transfer_lines_never_more'),
        ),
        sa.PrimaryKeyConstraint('transfer_id', 'line_no', name=op.f('pk_transfer_lines')),
    )
    op.create_index('ix_transfer_lines_sku', 'transfer_lines', ['sku', 'transfer_id'])
    op.create_table(
        'transfer_acts',
        sa.Column('cause', sa.Uuid(), nullable=False),
        sa.Column('transfer_id', sa.Uuid(), nullable=False),
        sa.Column('version', sa.Integer(), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('actor', sa.Text(), nullable=False),
        sa.Column('what', sa.Text(), nullable=False),
        sa.Column('facts', postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint('cause', 'transfer_id', name=op.f('pk_transfer_acts')),
    )
    op.create_index('ix_transfer_acts_of', 'transfer_acts', ['transfer_id', 'version'], unique=True)
    op.add_column('expected', sa.Column('transfer_id', sa.Uuid()))
    op.add_column('movements', sa.Column('in_transit', sa.BigInteger(), nullable=False, server_default=sa.text('0')))


def downgrade() -> None:
    op.drop_column('movements', 'in_transit')
    op.drop_column('expected', 'transfer_id')
    for table in ('transfer_acts', 'transfer_lines', 'transfers'):
        op.drop_table(table)
