"""Refunds by the staff, as billing states them"""

from alembic import op
import sqlalchemy as sa

revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'refunds',
        sa.Column('order_id', sa.Uuid(), nullable=False),
        sa.Column('refund_id', sa.Uuid(), nullable=False),
        sa.Column('version', sa.Integer(), nullable=False),
        sa.Column('state', sa.Text(), nullable=False),
        sa.Column('invoice', sa.Text(), nullable=False),
        sa.Column('currency', sa.Text(), nullable=False),
        sa.Column('net', sa.Numeric(16, 6), nullable=False),
        sa.Column('vat', sa.Numeric(16, 6), nullable=False),
        sa.Column('gross', sa.Numeric(16, 6), nullable=False),
        sa.Column('reason', sa.Text(), nullable=False),
        sa.Column('asker', sa.Text(), nullable=False),
        sa.Column('asked_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('approver', sa.Text(), nullable=False),
        sa.Column('decided_by', sa.Text(), nullable=False),
        sa.Column('decided_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('note', sa.Text(), nullable=False),
        sa.Column('credit_note', sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint('order_id', 'refund_id', name=op.f('pk_refunds')),
        postgresql_with={'fillfactor': 70, 'autovacuum_vacuum_scale_factor': 0.05},
    )
    op.create_index('ix_refunds_refund_id', 'refunds', ['refund_id'])
    op.create_index('ix_refunds_asked', 'refunds', ['asked_at', 'refund_id'])
    op.create_index(
        'ix_refunds_waiting', 'refunds', ['asked_at', 'refund_id'], postgresql_where=sa.text("state = 'waiting'")
    )


def downgrade() -> None:
    op.drop_table('refunds')
