"""Webhooks: who is told, what of, and what became of it"""

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

revision = '0015'
down_revision = '0014'
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        'webhooks',
        sa.Column('webhook_id', sa.Uuid(), nullable=False),
        sa.Column('shelf', sa.Text(), server_default='all', nullable=False),
        sa.Column('name', sa.Text(), nullable=False),
        sa.Column('url', sa.Text(), nullable=False),
        sa.Column('kinds', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column('state', sa.Text(), nullable=False),
        sa.Column('why', sa.Text(), nullable=False),
        sa.Column('added_by', sa.Text(), nullable=False),
        sa.Column('added_at', MOMENT, nullable=False),
        sa.Column('generation', sa.Integer(), nullable=False),
        sa.Column('made_of', sa.Text(), nullable=False),
        sa.Column('old_made_of', sa.Text(), nullable=False),
        sa.Column('old_until', MOMENT),
        sa.Column('failures', sa.Integer(), nullable=False),
        sa.Column('failing_since', MOMENT),
        sa.Column('rests_until', MOMENT),
        sa.PrimaryKeyConstraint('webhook_id', name=op.f('pk_webhooks')),
    )
    op.create_table(
        'webhook_facts',
        sa.Column('fact_id', sa.Uuid(), nullable=False),
        sa.Column('kind', sa.Text(), nullable=False),
        sa.Column('subject', sa.Text(), nullable=False),
        sa.Column('at', MOMENT, nullable=False),
        sa.Column('version', sa.Integer(), nullable=False),
        sa.Column('body', sa.Text(), nullable=False),
        sa.Column('made_at', MOMENT, nullable=False),
        sa.PrimaryKeyConstraint('fact_id', name=op.f('pk_webhook_facts')),
    )
    op.create_index('ix_webhook_facts_made_at', 'webhook_facts', ['made_at'])
    op.create_table(
        'webhook_deliveries',
        sa.Column('delivery_id', sa.Uuid(), nullable=False),
        sa.Column('fact_id', sa.Uuid(), nullable=False),
        sa.Column('webhook_id', sa.Uuid(), nullable=False),
        sa.Column('kind', sa.Text(), nullable=False),
        sa.Column('subject', sa.Text(), nullable=False),
        sa.Column('at', MOMENT, nullable=False),
        sa.Column('version', sa.Integer(), nullable=False),
        sa.Column('wanted_at', MOMENT, nullable=False),
        sa.Column('due_at', MOMENT, nullable=False),
        sa.Column('again_by', sa.Text(), nullable=False),
        sa.Column('state', sa.Text(), server_default='waiting', nullable=False),
        sa.Column('tries', sa.Integer(), server_default=sa.text('0'), nullable=False),
        sa.Column('rung', sa.Integer(), server_default=sa.text('0'), nullable=False),
        sa.Column('done_at', MOMENT),
        sa.Column('code', sa.Integer(), server_default=sa.text('0'), nullable=False),
        sa.Column('why', sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column('claimed_until', MOMENT, comment='a lease of the copy that sends it'),
        sa.PrimaryKeyConstraint('delivery_id', name=op.f('pk_webhook_deliveries')),
        postgresql_with={'fillfactor': 70, 'autovacuum_vacuum_scale_factor': 0.05},
    )
    waiting = {'postgresql_where': sa.text("state = 'waiting'")}
    op.create_index('ix_webhook_deliveries_due', 'webhook_deliveries', ['webhook_id', 'due_at'], **waiting)
    elder = ['subject', 'webhook_id', 'at', 'version', 'delivery_id']
    op.create_index('ix_webhook_deliveries_elder', 'webhook_deliveries', elder, **waiting)
    given_up = {'postgresql_where': sa.text("state = 'given_up'")}
    op.create_index('ix_webhook_deliveries_given_up', 'webhook_deliveries', ['webhook_id'], **given_up)
    op.create_index('ix_webhook_deliveries_log', 'webhook_deliveries', ['webhook_id', 'wanted_at', 'delivery_id'])
    op.create_index('ix_webhook_deliveries_fact_id', 'webhook_deliveries', ['fact_id'])
    op.create_index('ix_webhook_deliveries_wanted_at', 'webhook_deliveries', ['wanted_at'])
    op.create_table(
        'webhook_attempts',
        sa.Column('attempt_id', sa.Uuid(), nullable=False),
        sa.Column('delivery_id', sa.Uuid(), nullable=False),
        sa.Column('at', MOMENT, nullable=False),
        sa.Column('took_ms', sa.Integer(), nullable=False),
        sa.Column('outcome', sa.Text(), nullable=False),
        sa.Column('code', sa.Integer(), nullable=False),
        sa.Column('why', sa.Text(), nullable=False),
        sa.Column('answer', sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint('attempt_id', name=op.f('pk_webhook_attempts')),
    )
    op.create_index('ix_webhook_attempts_delivery_id', 'webhook_attempts', ['delivery_id', 'at'])
    op.create_index('ix_webhook_attempts_at', 'webhook_attempts', ['at'])


def downgrade() -> None:
    for name in ('webhook_attempts', 'webhook_deliveries', 'webhook_facts', 'webhooks'):
        op.drop_table(name)
