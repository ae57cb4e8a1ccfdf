"""Debts that were given up: asked for, done, waiting for another person, or refused"""

from alembic import op
import sqlalchemy as sa

revision = '0011'
down_revision = '0010'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'write_offs',
        sa.Column('order_id', sa.Uuid(), nullable=False),
        sa.Column('write_off_id', sa.Uuid(), nullable=False),
        sa.Column('order_number', sa.Text(), nullable=False),
        sa.Column('customer_id', sa.Text(), nullable=False),
        sa.Column('amount', sa.Numeric(), nullable=False),
        sa.Column('currency', sa.Text(), nullable=False),
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
        sa.CheckConstraint("state in ('waiting', 'done', 'refused')", name=op.f('ck_write_offs_state')),
        sa.CheckConstraint('amount > 0', name=op.f('ck_write_offs_amount')),
        sa.CheckConstraint(
            "asker <> '' and (state = 'waiting') = (decided_by = '')", name=op.f('ck_write_offs_known_who')
        ),
        sa.CheckConstraint('lower(btrim(approver)) <> lower(btrim(asker))', name=op.f('ck_write_offs_four_eyes')),
        sa.PrimaryKeyConstraint('order_id', 'write_off_id', name=op.f('pk_write_offs')),
        postgresql_with={'fillfactor': 70},
    )
    op.create_index('ix_write_offs_asked', 'write_offs', ['asked_at', 'write_off_id'])
    op.create_index(
        'ix_write_offs_waiting', 'write_offs', ['order_id'], unique=True, postgresql_where=sa.text("state = 'waiting'")
    )
    op.execute(
        """
        create or replace function decided_stands() returns trigger language plpgsql as
        $$begin raise exception 'what was decided never changes'; end$$
        """
    )
    op.execute(
        'create trigger write_offs_decided_stands before update or delete on write_offs '
        "for each row when (old.state <> 'waiting') execute function decided_stands()"
    )
    op.add_column('accounts', sa.Column('written_off', sa.Numeric(), server_default=sa.text('0'), nullable=False))


def downgrade() -> None:
    op.drop_table('write_offs')
    op.drop_column('accounts', 'written_off')
