"""What people did with parked messages and sent packets: who, when, what, why, and what came of it
"""

from alembic import op
import sqlalchemy as sa

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'acts',
        sa.Column('id', sa.Uuid(), nullable=False, comment="made from the caller's Idempotency-Key"),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('by', sa.Text(), nullable=False),
        sa.Column('what', sa.Text(), nullable=False),
        sa.Column('parked_id', sa.Uuid(), nullable=True),
        sa.Column('key', sa.Text(), nullable=False),
        sa.Column('subject', sa.Text(), nullable=False),
        sa.Column('why', sa.Text(), nullable=False),
        sa.Column('outcome', sa.Text(), nullable=False),
        sa.Column('detail', sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint('id'),
    )
    op.create_index('ix_acts_at', 'acts', ['at', 'id'])
    op.create_index(op.f('ix_acts_parked_id'), 'acts', ['parked_id'])


def downgrade() -> None:
    op.drop_table('acts')
