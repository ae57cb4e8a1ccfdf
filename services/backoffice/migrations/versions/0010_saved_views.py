"""Views of the list of orders that people saved"""

from alembic import op
import sqlalchemy as sa

revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'saved_views',
        sa.Column('owner', sa.Text(), nullable=False),
        sa.Column('place', sa.Integer(), nullable=False),
        sa.Column('code', sa.Text(), nullable=False),
        sa.Column('name', sa.Text(), nullable=False),
        sa.Column('query', sa.Text(), nullable=False),
        sa.Column('shared', sa.Boolean(), nullable=False),
        sa.Column('by', sa.Text(), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint('owner', 'place', name=op.f('pk_saved_views')),
    )
    op.create_index('ix_saved_views_code', 'saved_views', ['code'], unique=True)
    op.create_index(
        'ix_saved_views_name', 'saved_views', ['owner', 'name'], unique=True, postgresql_where=sa.text("name <> ''")
    )
    op.create_index('ix_saved_views_shared', 'saved_views', ['name'], postgresql_where=sa.text('shared'))


def downgrade() -> None:
    op.drop_table('saved_views')
