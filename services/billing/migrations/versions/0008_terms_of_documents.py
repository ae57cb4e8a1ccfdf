"""Who sold and how a document is paid, kept with it as it was when it was issued
"""

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ('invoices', 'credit_notes'):
        op.add_column(table, sa.Column('terms', postgresql.JSONB(astext_type=sa.Text()), nullable=True))


def downgrade() -> None:
    for table in ('invoices', 'credit_notes'):
        op.drop_column(table, 'terms')
