"""With which priority stock was asked for last, so that a changed priority is asked for anew
"""

from alembic import op
import sqlalchemy as sa

revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('stock', sa.Column('priority', sa.Integer(), server_default=sa.text('0'), nullable=False))
    op.execute(
        'update stock set priority = orders.priority from orders '
        'where orders.order_id = stock.order_id and orders.priority <> 0'
    )


def downgrade() -> None:
    op.drop_column('stock', 'priority')
