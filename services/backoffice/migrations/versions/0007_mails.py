"""E-mails to customers"""

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'mails',
        sa.Column('order_id', sa.Uuid(), nullable=False),
        sa.Column('kind', sa.Text(), nullable=False),
        sa.Column('thing', sa.Text(), nullable=False),
        sa.Column('mark', sa.Text(), nullable=False),
        sa.Column('mail_id', sa.Uuid(), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('wanted_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('facts', postgresql.JSONB(), nullable=False),
        sa.Column('state', sa.Text(), nullable=False),
        sa.Column('tries', sa.Integer(), nullable=False),
        sa.Column('due_at', sa.DateTime(timezone=True)),
        sa.Column('sent_at', sa.DateTime(timezone=True)),
        sa.Column('why', sa.Text(), nullable=False),
        sa.Column('lang', sa.Text(), nullable=False),
        sa.Column('sent_to', sa.Text(), nullable=False),
        sa.Column('subject', sa.Text(), nullable=False),
        sa.Column('body', sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint('order_id', 'kind', 'thing', 'mark', name=op.f('pk_mails')),
        postgresql_with={'fillfactor': '70', 'autovacuum_vacuum_scale_factor': '0.05'},
    )
    op.create_index(
        'ix_mails_open', 'mails', ['wanted_at'],
        postgresql_where=sa.text("state in ('waiting','sending','parked')"),
    )


def downgrade() -> None:
    op.drop_table('mails')
