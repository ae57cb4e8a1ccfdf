"""What people did, by when and by whom"""

from alembic import op

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None

INDEXES = {
    'ix_entries_acts': "entries (at, event_id) where actor <> ''",
    'ix_entries_actor': "entries (actor, at, event_id) where actor <> ''",
}


def upgrade() -> None:
    """Nothing but the indexes, which are built while others write."""


def downgrade() -> None:
    for name in INDEXES:
        op.drop_index(name, 'entries')
