"""What each customer owes on terms, and may owe"""

from alembic import op
import sqlalchemy as sa

revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None

OWED = (
    "greatest(0, least(granted, due) - invoiced) "
    "+ greatest(0, invoiced - credited - captured + refunded + refunding)"
)


def upgrade() -> None:
    op.add_column('accounts', sa.Column('refusal', sa.Text(), server_default=sa.text("''"), nullable=False))
    op.add_column('accounts', sa.Column('debtor', sa.Text(), server_default=sa.text("''"), nullable=False))
    op.create_table(
        'debtors',
        sa.Column('customer_id', sa.Text(), nullable=False),
        sa.Column('currency', sa.Text(), nullable=False),
        sa.Column('owed', sa.Numeric(), nullable=False),
        sa.Column('limit', sa.Numeric(), nullable=True),
        sa.Column('reason', sa.Text(), nullable=False),
        sa.Column('set_by', sa.Text(), nullable=False),
        sa.Column('set_at', sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint('owed >= 0 and "limit" >= 0', name=op.f('ck_debtors_not_negative')),
        sa.PrimaryKeyConstraint('customer_id', 'currency', name=op.f('pk_debtors')),
        postgresql_with={'fillfactor': 70},
    )
    op.execute(
        "update accounts a set debtor = s.customer_id, revision = revision + 1 "
        "from sales s where s.order_id = a.order_id and a.method = 'terms' and s.customer_id <> ''"
    )
    op.execute(
        "insert into debtors (customer_id, currency, owed, reason, set_by) "
        f"select debtor, currency, sum({OWED}), '', '' from accounts where debtor <> '' group by 1, 2"
    )


def downgrade() -> None:
    op.drop_table('debtors')
    for name in ('debtor', 'refusal'):
        op.drop_column('accounts', name)
