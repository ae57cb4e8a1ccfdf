"""Issued documents and postings never change"""

from alembic import op

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None

TABLES = ('invoices', 'credit_notes', 'postings')


def upgrade() -> None:
    op.execute(
        """
        create or replace function never_changes() returns trigger language plpgsql as
        $$begin raise exception 'an issued document or a posting never changes'; end$$
        """
    )
    for name in TABLES:
        op.execute(f'drop trigger if exists {name}_never_change on {name}')
        op.execute(
            f'create trigger {name}_never_change before update or delete on {name} '
            'for each row execute function never_changes()'
        )


def downgrade() -> None:
    for name in TABLES:
        op.execute(f'drop trigger if exists {name}_never_change on {name}')
    op.execute('drop function if exists never_changes()')
