"""Who looked at which document"""

from alembic import op
import sqlalchemy as sa

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'document_views',
        sa.Column('view_id', sa.Uuid(), nullable=False),
        sa.Column('number', sa.Text(), nullable=False),
        sa.Column('form', sa.Text(), nullable=False),
        sa.Column('who', sa.Text(), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint('view_id', name=op.f('pk_document_views')),
    )
    op.create_index('ix_document_views_at', 'document_views', ['at', 'view_id'])
    op.create_index('ix_document_views_number', 'document_views', ['number', 'at'])


def downgrade() -> None:
    op.drop_table('document_views')
