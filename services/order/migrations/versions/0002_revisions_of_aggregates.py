"""The root of an aggregate counts the changes of all its rows, so that what was read once need not be read again

And the index of open orders no longer moves with every status: rows that move stay on their page.
"""

from alembic import op
import sqlalchemy as sa

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('progress', sa.Column('revision', sa.Integer(), server_default=sa.text('1'), nullable=False))
    op.drop_index('ix_progress_open', table_name='progress')
    final = sa.Computed("status in ('cancelled', 'completed')", persisted=True)
    op.add_column('progress', sa.Column('final', sa.Boolean(), final, nullable=False))
    op.create_index('ix_progress_open', 'progress', ['order_id'], postgresql_where=sa.text('not final'))


def downgrade() -> None:
    op.drop_index('ix_progress_open', table_name='progress')
    op.create_index(
        'ix_progress_open', 'progress', ['status'],
        postgresql_where=sa.text("status not in ('cancelled', 'completed')"),
    )
    op.drop_column('progress', 'final')
    op.drop_column('progress', 'revision')
