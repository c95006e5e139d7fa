import django.db.models.deletion
import shared_apps.tenants.keys
from django.db import migrations, models

STATUSES = [('provisioning', 'Being made'), ('trial', 'Trial'), ('active', 'Active'), ('read_only', 'Read-only'), ('maintenance', 'Maintenance'), ('suspended', 'Suspended'), ('archived', 'Archived'), ('erasure_scheduled', 'Scheduled for erasure'), ('erased', 'Erased')]


class Migration(migrations.Migration):

    dependencies = [
        ('tenants', '0004_fleet'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='statuschange',
            options={'ordering': ['-at', '-id']},
        ),
        migrations.AddField(
            model_name='tenant',
            name='read_only_since',
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AlterField(
            model_name='tenant',
            name='status',
            field=models.CharField(choices=STATUSES, db_index=True, default='provisioning', max_length=20),
        ),
        migrations.AlterField(
            model_name='statuschange',
            name='before',
            field=models.CharField(choices=STATUSES, max_length=20),
        ),
        migrations.AlterField(
            model_name='statuschange',
            name='after',
            field=models.CharField(choices=STATUSES, max_length=20),
        ),
        migrations.CreateModel(
            name='NameChange',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('before', models.CharField(max_length=40)),
                ('after', models.CharField(max_length=40)),
                ('reason', models.TextField()),
                ('by', models.CharField(help_text="An operator's e-mail address, or the process.", max_length=254)),
                ('at', models.DateTimeField(auto_now_add=True)),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='name_changes', to='tenants.tenant')),
            ],
            options={
                'ordering': ['-at', '-id'],
            },
        ),
        migrations.CreateModel(
            name='Cloning',
            fields=[
                ('request_id', models.UUIDField(default=shared_apps.tenants.keys.uuid7, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=100)),
                ('subdomain', models.CharField(max_length=40)),
                ('with_data', models.BooleanField()),
                ('owner_email', models.EmailField(blank=True, max_length=254)),
                ('owner_full_name', models.CharField(blank=True, max_length=150)),
                ('reason', models.TextField()),
                ('by', models.CharField(help_text="An operator's e-mail address, or the process.", max_length=254)),
                ('error', models.TextField(blank=True)),
                ('began_at', models.DateTimeField(auto_now_add=True)),
                ('finished_at', models.DateTimeField(null=True)),
                ('source', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='clonings', to='tenants.tenant')),
                ('tenant', models.OneToOneField(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='cloned_by', to='tenants.tenant')),
            ],
            options={
                'ordering': ['-began_at'],
            },
        ),
        migrations.CreateModel(
            name='Erasure',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('reason', models.TextField()),
                ('by', models.CharField(help_text="An operator's e-mail address, or the process.", max_length=254)),
                ('scheduled_at', models.DateTimeField(auto_now_add=True)),
                ('due_at', models.DateTimeField(db_index=True)),
                ('cancelled_at', models.DateTimeField(null=True)),
                ('began_at', models.DateTimeField(null=True)),
                ('finished_at', models.DateTimeField(null=True)),
                ('error', models.TextField(blank=True)),
                ('certificate', models.JSONField(null=True)),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='erasures', to='tenants.tenant')),
            ],
            options={
                'ordering': ['-scheduled_at'],
                'constraints': [models.UniqueConstraint(condition=models.Q(('cancelled_at', None)), fields=('tenant',), name='tenants_erasure_one_a_tenant')],
            },
        ),
        migrations.CreateModel(
            name='ErasureStep',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=20)),
                ('place', models.PositiveSmallIntegerField()),
                ('result', models.JSONField(default=dict)),
                ('done_at', models.DateTimeField(auto_now_add=True)),
                ('erasure', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='steps', to='tenants.erasure')),
            ],
            options={
                'ordering': ['place'],
                'constraints': [models.UniqueConstraint(fields=('erasure', 'name'), name='tenants_erasurestep_once')],
            },
        ),
    ]
