"""When SKUs are bought again
"""

from alembic import op
import sqlalchemy as sa

revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'reorder_rules',
        sa.Column('sku', sa.Text(), nullable=False),
        sa.Column('warehouse', sa.Text(), nullable=False),
        sa.Column('point', sa.BigInteger(), nullable=False),
        sa.Column('up_to', sa.BigInteger(), nullable=False),
        sa.Column('supplier', sa.Text(), nullable=False),
        sa.Column('version', sa.Integer(), nullable=False),
        sa.CheckConstraint(
            'point >= 0 and (up_to = 0 or up_to > point)', name=op.f('ck_reorder_rules_up_to_above_point')
        ),
        sa.PrimaryKeyConstraint('sku', 'warehouse', name=op.f('pk_reorder_rules')),
    )


def downgrade() -> None:
    op.drop_table('reorder_rules')
