package Test::Gate::Cluster;

# A Redis cluster of real servers: primaries first, then a replica of each.
# One that is silent for 3 s has failed: on a busy machine others are silent
# for a second, too.
#
#   my $cluster = Test::Gate::Cluster->new($t, primaries => 3);
#   $cluster->of('{alice}:counted')->command('HGETALL', ...);

use strict;
use warnings;

use Test::More ();

sub new {
    my ($class, $t, %o) = @_;

    my $n = 2 * ($o{primaries} // 3);
    my @ports = map { $t->port } 1 .. $n;
    my @nodes = map {
        $t->redis(port => $_, fresh => 1, options => [
            '--cluster-enabled', 'yes', '--cluster-node-timeout', 3000,
            '--cluster-port', $t->port, '--cluster-config-file',
            "nodes.$_.conf", '--repl-diskless-sync-delay', 0,
        ])
    } @ports;

    my $self = bless { test => $t, ports => \@ports, nodes => \@nodes },
                     $class;

    # the first tells all others of each other

    for my $i (1 .. $n - 1) {
        my $bus = $nodes[$i]->command('CONFIG', 'GET', 'cluster-port');
        $nodes[0]->command('CLUSTER', 'MEET', '127.0.0.1', $ports[$i],
                           $bus->[1]);
    }

    my $width = 16384 / ($n / 2);

    for my $i (0 .. $n / 2 - 1) {
        my $from = int($i * $width);
        my $to = int(($i + 1) * $width) - 1;

        $nodes[$i]->command('CLUSTER', 'ADDSLOTSRANGE', $from, $to);
    }

    $t->wait_for(sub {
        my $known = 0;

        for my $node (@nodes) {
            $known += () = $node->command('CLUSTER', 'NODES')
                           =~ / (?:myself,)?master - /g;
        }

        return $known == $n * $n;
    }, 20) or die 'the nodes of the cluster do not meet';

    for my $i (0 .. $n / 2 - 1) {
        my $id = $nodes[$i]->command('CLUSTER', 'MYID');

        $t->wait_for(sub {
            eval { $nodes[$n / 2 + $i]->command('CLUSTER', 'REPLICATE', $id) };
        }, 10) or die 'no replica';
    }

    $self->wait or die 'the cluster does not stand';

    return $self;
}

# All slots are served, and each primary has a replica that is in step.

sub wait {
    my ($self) = @_;

    my @nodes = grep { $_->{pid} } @{ $self->{nodes} };

    return $self->{test}->wait_for(sub {
        for my $node (@nodes) {
            my $info = eval { $node->command('CLUSTER', 'INFO') } // '';
            my $role = eval { $node->command('ROLE') } // [''];

            return 0 if $info !~ /cluster_state:ok/;
            return 0 if $role->[0] eq 'slave' && $role->[3] ne 'connected';
        }

        return 1;
    }, 30);
}

sub nodes { return @{ $_[0]{nodes} } }
sub ports { return @{ $_[0]{ports} } }

# The primary that has a key.

sub of {
    my ($self, $key) = @_;

    for my $node (grep { $_->{pid} } $self->nodes) {
        my $ok = eval { $node->command('TYPE', $key); 1 };
        my $role = eval { $node->command('ROLE')->[0] } // '';

        return $node if $ok && $role eq 'master';
    }

    die "nobody has $key";
}

# Moves so many slots from a primary to another, as administrators do.

sub reshard {
    my ($self, $from, $to, $slots) = @_;

    my ($port) = map { $self->{ports}[$_] }
                 grep { $self->{nodes}[$_] == $to } 0 .. $#{ $self->{nodes} };
    my @ids = map { $_->command('CLUSTER', 'MYID') } $from, $to;

    my $said = qx(redis-cli --cluster reshard 127.0.0.1:$port \\
                  --cluster-from $ids[0] --cluster-to $ids[1] \\
                  --cluster-slots $slots --cluster-yes 2>&1);

    return $? == 0 ? '' : $said;
}

# Lets the user "gate" in, with the rules of the README and no more: what its
# "gate_redis" says then, but for the braces.

sub lets_in {
    my ($self) = @_;

    my $t = $self->{test};

    $t->write_file('password', "secret\n");
    chmod 0600, $t->dir . '/password';
    $_->command('ACL', 'SETUSER', 'gate', split / /,
                $t->rules('secret', qr/\+evalsha|\+cluster|\+sadd/))
        for @{ $self->{nodes} };

    return join(' ', map { "server 127.0.0.1:$_;" } $self->ports)
           . " cluster on; username gate; password_file $t->{dir}/password;";
}

# What that user was denied, but for a look at its settings.

sub denied {
    my ($self) = @_;

    return grep { $_ ne 'config|get' } map { { @$_ }->{object} }
           map { @{ $_->command('ACL', 'LOG') } } @{ $self->{nodes} };
}

1;
