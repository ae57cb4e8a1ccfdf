"""Files that people uploaded"""

from alembic import op
import sqlalchemy as sa

revision = '0014'
down_revision = '0013'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'uploads',
        sa.Column('owner', sa.Text(), nullable=False),
        sa.Column('place', sa.Integer(), nullable=False),
        sa.Column('code', sa.Text(), nullable=False),
        sa.Column('kind', sa.Text(), nullable=False),
        sa.Column('file', sa.Text(), nullable=False),
        sa.Column('content', sa.Text(), nullable=False),
        sa.Column('mark', sa.Text(), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint('owner', 'place', name=op.f('pk_uploads')),
    )
    op.create_index('ix_uploads_code', 'uploads', ['code'], unique=True, postgresql_where=sa.text("code <> ''"))


def downgrade() -> None:
    op.drop_table('uploads')
