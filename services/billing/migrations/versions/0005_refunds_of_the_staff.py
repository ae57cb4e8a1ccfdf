"""Refunds by the staff: asked for, done, waiting for another person, or refused
"""

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'refunds',
        sa.Column('order_id', sa.Uuid(), nullable=False),
        sa.Column('refund_id', sa.Uuid(), nullable=False),
        sa.Column('invoice', sa.Text(), nullable=False),
        sa.Column('order_number', sa.Text(), nullable=False),
        sa.Column('customer_id', sa.Text(), nullable=False),
        sa.Column('lines', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column('currency', sa.Text(), nullable=False),
        sa.Column('net', sa.Numeric(), nullable=False),
        sa.Column('vat', sa.Numeric(), nullable=False),
        sa.Column('gross', sa.Numeric(), nullable=False),
        sa.Column('reason', sa.Text(), nullable=False),
        sa.Column('asker', sa.Text(), nullable=False),
        sa.Column('asked_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('limit', sa.Numeric(), nullable=False),
        sa.Column('version', sa.Integer(), nullable=False),
        sa.Column('state', sa.Text(), nullable=False),
        sa.Column('approver', sa.Text(), nullable=False),
        sa.Column('decided_by', sa.Text(), nullable=False),
        sa.Column('decided_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('note', sa.Text(), nullable=False),
        sa.Column('credit_note', sa.Text(), nullable=False),
        sa.CheckConstraint("state in ('waiting', 'done', 'refused')", name=op.f('ck_refunds_state')),
        sa.CheckConstraint('gross > 0 and net + vat = gross', name=op.f('ck_refunds_adds_up')),
        sa.CheckConstraint(
            "asker <> '' and (state = 'waiting') = (decided_by = '')", name=op.f('ck_refunds_known_who')
        ),
        sa.CheckConstraint(
            "(state = 'done') = (credit_note <> '')", name=op.f('ck_refunds_done_with_its_document')
        ),
        sa.CheckConstraint('lower(btrim(approver)) <> lower(btrim(asker))', name=op.f('ck_refunds_four_eyes')),
        sa.PrimaryKeyConstraint('order_id', 'refund_id', name=op.f('pk_refunds')),
        postgresql_with={'fillfactor': 70},
    )
    op.create_index('ix_refunds_asked', 'refunds', ['asked_at', 'refund_id'])
    op.create_index(
        'ix_refunds_waiting', 'refunds', ['asked_at', 'refund_id'], postgresql_where=sa.text("state = 'waiting'")
    )
    op.execute(
        """
        create or replace function decided_stands() returns trigger language plpgsql as
        $$begin raise exception 'a refund that was decided never changes'; end$$
        """
    )
    op.execute(
        'create trigger refunds_decided_stands before update or delete on refunds '
        "for each row when (old.state <> 'waiting') execute function decided_stands()"
    )


def downgrade() -> None:
    op.drop_table('refunds')
    op.execute('drop function if exists decided_stands()')
