package Test::Gate::Sentinels;

# A primary, two replicas of it, and three Sentinels that call it "main".
#
#   my $group = Test::Gate::Sentinels->new($t);
#   my ($primary, @replicas) = $group->redis;

use strict;
use warnings;

sub new {
    my ($class, $t) = @_;

    my @ports = map { $t->port } 0 .. 5;
    my @redis = map { $t->redis(port => $_) } @ports[0 .. 2];
    my $self = bless { test => $t, ports => \@ports, redis => \@redis },
                     $class;

    $_->command('REPLICAOF', '127.0.0.1', $ports[0]) for @redis[1, 2];
    $t->wait_for(sub { 2 == grep { linked($_) } @redis[1, 2] });

    $self->{sentinels} = [ map { $self->sentinel($_) } 3 .. 5 ];

    $t->wait_for(sub { 3 == grep { knows_all($_) } $self->sentinels }, 30)
        or die 'the Sentinels do not find each other';

    return $self;
}

sub redis { return @{ $_[0]{redis} } }
sub sentinels { return @{ $_[0]{sentinels} } }

# What gate_redis says of them.

sub servers {
    my ($self) = @_;

    return join "\n        ", 'sentinel  main;',
                map { "server    127.0.0.1:$_;" } @{ $self->{ports} }[3 .. 5];
}

# Is a replica in step?

sub linked {
    my ($replica) = @_;

    return $replica->command('INFO', 'replication')
           =~ /master_link_status:up/;
}

sub sentinel {
    my ($self, $n) = @_;

    my $t = $self->{test};
    my $file = $t->write_file("sentinel$n.conf", <<"END");
sentinel monitor main 127.0.0.1 $self->{ports}[0] 2
sentinel down-after-milliseconds main 500
sentinel failover-timeout main 2000
END

    return $t->redis(port => $self->{ports}[$n], fresh => 1,
                     sentinel => $file);
}

sub knows_all {
    my ($sentinel) = @_;

    my %main = @{ $sentinel->command('SENTINEL', 'MASTER', 'main') };

    return $main{'num-other-sentinels'} == 2 && $main{'num-slaves'} == 2;
}

1;
