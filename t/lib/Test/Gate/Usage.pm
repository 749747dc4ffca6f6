package Test::Gate::Usage;

# What Redis has of usage, of today and of yesterday, for a test may begin
# before midnight.
#
#   my $usage = Test::Gate::Usage->new($t, $redis);
#   is($usage->of_user('alice', 'alpha' => '1000 1 1'), ...);

use strict;
use warnings;

use POSIX qw(strftime);
use Test::More ();

# where: the server that has a key, for a cluster

sub new {
    my ($class, $t, $redis, %o) = @_;

    return bless { test => $t, redis => $redis, prefix => 'gate', %o }, $class;
}

sub days {
    return map { strftime('%Y-%m-%d', gmtime(time - $_ * 86400)) } 1, 0;
}

sub command {
    my ($self, $name, $key, @args) = @_;

    my $redis = $self->{where} ? $self->{where}->($key) : $self->{redis};

    return $redis->command($name, $key, @args);
}

# field => "bytes requests documents", of both days

sub hash {
    my ($self, $name, $what) = @_;

    my %sum;

    for my $day (days()) {
        my %hash = @{ $self->command('HGETALL', "$self->{prefix}:{$name}/"
                                                . "$what:$day") || [] };

        for my $field (grep { $_ ne '#largest' } keys %hash) {
            my @n = split / /, $hash{$field};
            $sum{$field}[$_] += $n[$_] for 0 .. 2;
        }
    }

    return map { $_ => "@{ $sum{$_} }" } keys %sum;
}

sub user { return $_[0]->hash($_[1], 'projects') }
sub project { return $_[0]->hash($_[1], 'users') }

# members => bytes, of both days: users, projects, largest

sub top {
    my ($self, $what) = @_;

    my %sum;

    for my $day (days()) {
        my %top = @{ $self->command('ZREVRANGE', "$self->{prefix}:{$day}/$what",
                                    0, -1, 'WITHSCORES') || [] };
        $sum{$_} += $top{$_} for keys %top;
    }

    return %sum;
}

# What it is once it is what is expected, or after a while: one text.

sub becomes {
    my ($self, $what, $name, $expected) = @_;

    my $is;

    $self->{test}->wait_for(sub {
        my %is = $what =~ /^(?:user|project)$/ ? $self->$what($name)
                                               : $self->top($what);
        $is = join ', ', map { "$_: $is{$_}" } sort keys %is;
        return $is eq $expected;
    }, 20);

    return $is;
}

1;
