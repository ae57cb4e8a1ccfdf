"""How many pieces wait in each part of a queue, and which promised days hang on a purchase order
"""

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        'queues', sa.Column('sums', postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False)
    )
    op.execute(
        'update queues set sums = p.sums from (select sku, jsonb_agg(jsonb_build_array(page, pieces) order by page) '
        'as sums from (select sku, page, sum(quantity) as pieces from queued where quantity > 0 group by 1, 2) q '
        'group by 1) p where p.sku = queues.sku'
    )
    op.add_column(
        'demands', sa.Column('by_receipt', sa.Boolean(), server_default=sa.text('false'), nullable=False)
    )
    op.execute(
        'update demands d set by_receipt = true where d.backordered > 0 and exists('
        'select 1 from expected e where e.sku = d.sku and e.expected_on = d.promised_on and e.quantity > e.received)'
    )


def downgrade() -> None:
    op.drop_column('demands', 'by_receipt')
    op.drop_column('queues', 'sums')
