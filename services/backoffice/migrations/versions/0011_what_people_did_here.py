"""What people did to what is the back office's own"""

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

revision = '0011'
down_revision = '0010'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'office_acts',
        sa.Column('act_id', sa.Uuid(), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('key', sa.Text(), nullable=False),
        sa.Column('actor', sa.Text(), nullable=False),
        sa.Column('facts', postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint('act_id', name=op.f('pk_office_acts')),
    )
    op.create_index('ix_office_acts_at', 'office_acts', ['at', 'act_id'])
    op.create_index('ix_office_acts_actor', 'office_acts', ['actor', 'at', 'act_id'])


def downgrade() -> None:
    op.drop_table('office_acts')
