"""What is open, and the last of the journal"""

from alembic import op

revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None

INDEXES = {
    'ix_postings_booked_at': 'postings (booked_at)',
    'ix_accounts_open': (
        "accounts (order_id) where invoiced - credited - captured + refunded > 0 or parked <> ''"
    ),
}


def upgrade() -> None:
    """Nothing but the indexes, which are built while others write."""


def downgrade() -> None:
    op.drop_index('ix_postings_booked_at', 'postings')
    op.drop_index('ix_accounts_open', 'accounts')
