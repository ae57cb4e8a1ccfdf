"""Open orders by their promise"""

from alembic import op

revision = '0013'
down_revision = '0012'
branch_labels = None
depends_on = None

INDEXES = {
    'ix_orders_promise': "orders (coalesce(promised_on, accepted_on, '9999-01-01'::date), order_id) where not final",
}


def upgrade() -> None:
    """Nothing but the index, which is built while others write."""


def downgrade() -> None:
    for name in INDEXES:
        op.drop_index(name, 'orders')
