"""From when on messages are kept, and requests by their moment"""

from alembic import op
import sqlalchemy as sa

revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None

INDEXES = {'ix_requests_at': 'requests (at)'}


def upgrade() -> None:
    op.create_table(
        'cleared',
        sa.Column('name', sa.Text(), nullable=False, comment='outbox, inbox or requests'),
        sa.Column('before', sa.DateTime(timezone=True), nullable=False, comment='what is younger is all there'),
        sa.PrimaryKeyConstraint('name', name=op.f('pk_cleared')),
    )


def downgrade() -> None:
    op.drop_table('cleared')
    for name in INDEXES:
        op.drop_index(name, 'requests')
