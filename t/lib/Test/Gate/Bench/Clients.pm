package Test::Gate::Bench::Clients;

# Clients of a front: t/bench/load.c, whose connections are made when there is
# one of these and stay until it ends.  So figures of fronts can be had by turns,
# and each for a moment; what a front forgets meanwhile it has again by ready().
#
#   $clients->ready;                # both as often as wanted
#   my %got = $clients->send;
#   $clients->end;

use strict;
use warnings;

use IPC::Open2;

# What they are called in an error, and the program with its options: "warm" must
# be among them.

sub new {
    my ($class, $name, @command) = @_;

    my $self = bless { name => $name }, $class;

    $self->{pid} = open2(@$self{qw(said say)}, @command);

    return $self;
}

# Each has had some requests.

sub ready {
    my ($self) = @_;

    print { $self->{say} } "again\n" if $self->{sent}++;
    $self->line eq "warm\n" or die "$self->{name}: no answers\n";
}

# What t/bench/load.c says of them: requests, seconds, bytes, p50 and p99.

sub send {
    my ($self) = @_;

    print { $self->{say} } "on\n";

    my %got = split ' ', $self->line;

    return $got{requests} ? %got : die "$self->{name}: no figures\n";
}

sub line {
    my ($self) = @_;

    return readline($self->{said}) // die "$self->{name}: the client has gone\n";
}

sub end {
    my ($self) = @_;

    my $pid = delete $self->{pid} or return;

    close $self->{say};
    waitpid $pid, 0;
    die "$self->{name}: the client failed\n" if $?;
}

sub DESTROY { local $?; eval { $_[0]->end } }


1;
