"""Orders by the beginning of their number or the channel's"""

from alembic import op

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None

INDEXES = {
    'ix_orders_number_begins': 'orders (lower(number) text_pattern_ops)',
    'ix_orders_external_id_begins': 'orders (lower(external_id) text_pattern_ops)',
}


def upgrade() -> None:
    """Nothing but the indexes, which are built while others write."""


def downgrade() -> None:
    for name in INDEXES:
        op.drop_index(name, 'orders')
