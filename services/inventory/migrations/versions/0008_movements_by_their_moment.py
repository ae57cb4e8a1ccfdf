"""Movements by their moment"""

from alembic import op

revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None

INDEXES = {'ix_movements_at': 'movements (at)'}


def upgrade() -> None:
    """Nothing but the index, which is built while others write."""


def downgrade() -> None:
    for name in INDEXES:
        op.drop_index(name, 'movements')
