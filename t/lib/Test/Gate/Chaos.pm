package Test::Gate::Chaos;

# Clients of mixed kinds that count what they get: body bytes, requests and
# documents, for each user.  A client is a process that runs until a file
# "stop" is there, and then writes what it has counted; or until the one that
# started it is gone.

use strict;
use warnings;

use Storable qw(store retrieve);
use Time::HiRes qw(sleep time);

# kind => weight; those of users who abort are others

my @kinds = ((get => 6), (pipeline => 2), (range => 3), (ranges => 2),
             (chunked => 2), (head => 1), (slow => 1), (h2 => 3));
my @aborts = ((abort => 4), (get => 2), (h2_abort => 1), (range => 1));

# t, ports => [...], sizes => { name => bytes }, users => sub of a moment,
# seed, n

sub new {
    my ($class, %o) = @_;

    return bless { %o, owner => $$ }, $class;
}

sub start {
    my ($self) = @_;

    my $pid = fork // die "fork: $!";

    if (!$pid) {
        srand($self->{seed} * 1000 + $self->{n});
        eval { $self->run };
        $self->{count}{died} = $@ if $@;
        store($self->{count} // {}, $self->{t}->dir . "/counted.$self->{n}");
        kill KILL => $$;
    }

    $self->{pid} = $pid;
}

sub counted {
    my ($self) = @_;

    waitpid $self->{pid}, 0;

    return retrieve($self->{t}->dir . "/counted.$self->{n}");
}

sub run {
    my ($self) = @_;

    my $stop = $self->{t}->dir . '/stop';

    until (-e $stop || getppid != $self->{owner}) {
        my $user = $self->{users}->();
        my $kind = weighted($user =~ /^abort/ ? @aborts : @kinds);

        $self->{port} = $self->{ports}[rand @{ $self->{ports} }];
        $self->$kind($user);
    }
}

sub weighted {
    my @list = @_;
    my @all;

    while (my ($what, $weight) = splice @list, 0, 2) {
        push @all, ($what) x $weight;
    }

    return $all[rand @all];
}

# What came, however it ended.

sub count {
    my ($self, $user, $name, $status, $bytes) = @_;

    my $counted = $self->{count}{$user} //= { bytes => 0, requests => 0 };

    $self->{count}{statuses}{$status}++;

    return unless $status == 200 || $status == 206;

    $counted->{bytes} += $bytes;
    $counted->{requests}++;
    $counted->{documents}{$name} = 1;
}

sub name {
    my ($self) = @_;

    my @names = sort keys %{ $self->{sizes} };
    return $names[rand @names];
}

# Requests over one connection; undef: nobody is there.

sub client {
    my ($self) = @_;

    my $client = $self->{t}->client(port => $self->{port});
    sleep 0.05 unless $client;

    return $client;
}

sub ask {
    my ($self, $client, $user, $uri, %o) = @_;

    my ($name) = $uri =~ m{([^/]+)$};
    my $r = $client->request($uri, %o, headers => { 'X-User' => $user,
                                                    %{ $o{headers} // {} } });

    $self->count($user, $name, $r->{status}, length $r->{body});

    return $r->{status} && $r->{whole};
}

sub get {
    my ($self, $user) = @_;

    my $client = $self->client or return;

    for (0 .. rand 4) {
        $self->ask($client, $user, '/' . $self->name) or last;
    }
}

sub chunked {
    my ($self, $user) = @_;

    my $client = $self->client or return;
    $self->ask($client, $user, '/chunked/' . $self->name);
}

sub head {
    my ($self, $user) = @_;

    my $client = $self->client or return;
    $self->ask($client, $user, '/' . $self->name, method => 'HEAD');
}

sub range {
    my ($self, $user) = @_;

    $self->ranged($user, 1);
}

sub ranges {
    my ($self, $user) = @_;

    $self->ranged($user, 2 + int rand 4);
}

sub ranged {
    my ($self, $user, $n) = @_;

    my $client = $self->client or return;
    my $name = $self->name;
    my $size = $self->{sizes}{$name};

    my $ranges = join ',', map {
        my $from = int rand $size;
        $from . '-' . ($from + int rand($size - $from));
    } 1 .. $n;

    $self->ask($client, $user, "/$name",
               headers => { Range => "bytes=$ranges" });
}

sub pipeline {
    my ($self, $user) = @_;

    my $client = $self->client or return;
    my @names = map { $self->name } 0 .. rand 4;

    $client->send("/$_", headers => { 'X-User' => $user }) for @names;

    for (@names) {
        my $r = $client->response('GET');

        $self->count($user, $_, $r->{status}, length $r->{body});
        last unless $r->{whole};
    }
}

sub slow {
    my ($self, $user) = @_;

    my $client = $self->client or return;
    my $name = $self->name;

    $client->send("/$name", headers => { 'X-User' => $user }, close => 1);

    for (1 .. 5) {
        last unless $client->more;
        sleep 0.05;
    }

    my $r = $client->response('GET');
    $self->count($user, $name, $r->{status}, length $r->{body});
}

# Goes away at some byte of the body.

sub abort {
    my ($self, $user) = @_;

    my $client = $self->client or return;
    my $name = $self->name;
    my $enough = int rand $self->{sizes}{$name};

    $client->send("/$name", headers => { 'X-User' => $user });

    while (length $client->{buffer} < $enough
           || $client->{buffer} !~ /\r\n\r\n/)
    {
        last if $client->{buffer} =~ m{^HTTP/1\.1 [^2].*\r\n\r\n}s
                || !$client->more;
    }

    my ($head, $body) = split /\r\n\r\n/, $client->{buffer}, 2;
    my ($status) = ($head // '') =~ m{^HTTP/1\.1 (\d+)};

    $self->count($user, $name, $status // 0, length($body // ''));
    $client->close;
}

# Many streams of one connection.

sub h2 {
    my ($self, $user, @options) = @_;

    my @names = map { $self->name } 0 .. rand 8;
    my @r = $self->{t}->curls([ map { "/$_" } @names ],
                              port => $self->{port},
                              options => [ '-H', "X-User: $user", @options ]);

    $self->count($user, $names[$_], $r[$_]{status} // 0, $r[$_]{bytes} // 0)
        for 0 .. $#names;
}

sub h2_abort {
    my ($self, $user) = @_;

    $self->h2($user, '--max-time', 0.1 + rand 0.3, '--limit-rate', '500k');
}

1;
