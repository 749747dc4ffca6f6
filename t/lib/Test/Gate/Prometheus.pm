package Test::Gate::Prometheus;

# A real Prometheus on a port of 127.0.0.1, with its data in the test's
# directory.

use strict;
use warnings;

use HTTP::Tiny;
use JSON::PP;

sub new {
    my ($class, %o) = @_;

    my $self = bless { %o, owner => $$ }, $class;
    my $dir = $self->{test}->dir;

    $self->{port} = $self->{test}->port;
    $self->{http} = HTTP::Tiny->new(timeout => 10);
    $self->{log} = "$dir/prometheus.log";

    my $pid = fork // die "fork: $!";

    if (!$pid) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', $self->{log};
        open STDERR, '>>', $self->{log};

        exec 'prometheus', "--config.file=$self->{config}",
             "--storage.tsdb.path=$dir/prometheus",
             "--web.listen-address=127.0.0.1:$self->{port}",
             '--log.level=warn';
        exit 127;
    }

    $self->{pid} = $pid;

    $self->{test}->wait_for(sub {
        $self->{http}->get($self->url('/-/ready'))->{success};
    }, 60) or die 'prometheus does not start: '
                  . $self->{test}->read_file('prometheus.log');

    return $self;
}

sub url { return "http://127.0.0.1:$_[0]{port}$_[1]" }

# What the API answers, as data.

sub ask {
    my ($self, $path, %arguments) = @_;

    my $query = $self->{http}->www_form_urlencode(\%arguments);
    my $r = $self->{http}->get($self->url("$path?$query"));

    return $r->{success} ? decode_json($r->{content})->{data} : undef;
}

# The value of an expression that has one; undef: it has none.

sub value {
    my ($self, $expression) = @_;

    my $data = $self->ask('/api/v1/query', query => $expression);

    return $data->{result}[0]{value}[1];
}

# Alerts that fire, by name.

sub firing {
    my ($self) = @_;

    my $data = $self->ask('/api/v1/alerts');

    return map { $_->{labels}{alertname} => $_ }
           grep { $_->{state} eq 'firing' } @{ $data->{alerts} // [] };
}

sub stop {
    my ($self) = @_;

    my $pid = delete $self->{pid} or return;
    return unless $$ == $self->{owner};

    kill TERM => $pid;
    waitpid $pid, 0;
}

sub DESTROY { local $?; $_[0]->stop }

1;
