package Test::Gate::Client;

# An HTTP/1.1 client over TLS that sees what a browser hides: whether a response
# came whole, and what follows on the same connection.

use strict;
use warnings;

use IO::Socket::INET;
use IO::Socket::SSL;

my $curls = 0;

# port, cert (a file with certificate and key), plain => 1 (no TLS)

sub new {
    my ($class, %o) = @_;

    my $socket = $o{plain}
        ? IO::Socket::INET->new(PeerAddr => "127.0.0.1:$o{port}")
        : IO::Socket::SSL->new(
              PeerAddr => "127.0.0.1:$o{port}", SSL_verify_mode => 0,
              $o{cert} ? (SSL_cert_file => $o{cert},
                          SSL_key_file => $o{cert}) : (),
              $o{tls} ? %{ $o{tls} } : ());

    return $socket ? bless { socket => $socket, buffer => '' }, $class : undef;
}

# from (X-Forwarded-For), method, headers => {...}, body, close => 1

sub request {
    my ($self, $uri, %o) = @_;

    $self->send($uri, %o);
    return $self->response($o{method} // 'GET');
}

sub send {
    my ($self, $uri, %o) = @_;

    my %headers = (Host => 'localhost', %{ $o{headers} // {} });

    $headers{'X-Forwarded-For'} = $o{from} if $o{from};
    $headers{'Content-Length'} = length $o{body} if defined $o{body};
    $headers{Connection} //= 'close' if $o{close};

    my $socket = $self->{socket};
    print $socket join("\r\n", ($o{method} // 'GET') . " $uri HTTP/1.1",
                       (map { "$_: $headers{$_}" } sort keys %headers), '', '')
                  . ($o{body} // '');
}

sub response {
    my ($self, $method) = @_;

    my %r = (status => 0, headers => {}, body => '', whole => 0);

    while ($self->{buffer} !~ /\r\n\r\n/) {
        return \%r unless $self->more;
    }

    $self->{buffer} =~ s/^(.*?)\r\n\r\n//s;
    my ($line, @headers) = split /\r\n/, $1;
    ($r{status}) = $line =~ m{^HTTP/1\.1 (\d+)};

    for (@headers) {
        my ($name, $value) = /^([^:]+):\s*(.*)$/ or next;
        $r{headers}{ lc $name } = $value;
    }

    if ($method eq 'HEAD' || $r{status} == 204 || $r{status} == 304) {
        $r{whole} = 1;

    } elsif (($r{headers}{'transfer-encoding'} // '') eq 'chunked') {
        $self->chunks(\%r);

    } else {
        my $length = $r{headers}{'content-length'} // 0;
        $r{whole} = $self->take($length, \%r);
    }

    return \%r;
}

sub chunks {
    my ($self, $r) = @_;

    while (1) {
        while ($self->{buffer} !~ /\r\n/) {
            return unless $self->more;
        }

        $self->{buffer} =~ s/^([0-9a-fA-F]+)\r\n// or return;
        my $size = hex $1;

        $self->take($size, $r) or return;

        while (length $self->{buffer} < 2) {
            return unless $self->more;
        }

        $self->{buffer} =~ s/^\r\n// or return;
        return $r->{whole} = 1 if $size == 0;
    }
}

# that many bytes of the body, or what there is of them

sub take {
    my ($self, $size, $r) = @_;

    while (length $self->{buffer} < $size) {
        if (!$self->more) {
            $r->{body} .= $self->{buffer};
            $self->{buffer} = '';
            return 0;
        }
    }

    $r->{body} .= substr $self->{buffer}, 0, $size, '';

    return 1;
}

# A peer that neither speaks nor closes fails the test, it does not hang it.

sub more {
    my ($self) = @_;

    my $socket = $self->{socket};

    unless ($socket->can('pending') && $socket->pending) {
        my $in = '';
        vec($in, fileno $socket, 1) = 1;
        my $seconds = 40 * ($ENV{TEST_PATIENCE} // 1);
        die "nothing came from nginx for $seconds s"
            unless select $in, undef, undef, $seconds;
    }

    return sysread $self->{socket}, $self->{buffer}, 65536,
                   length $self->{buffer};
}

sub close { $_[0]{socket}->close }

# curl: http => 2 (or 1.1), options => [...], cert, from; "exit" is its code

sub curl {
    my ($dir, $port, $uri, %o) = @_;

    my $name = "curl.$$." . ++$curls;
    my @args = ('-q', '-sS', '--insecure', '--max-time', $o{seconds} // 30,
                $o{http} && $o{http} eq '1.1' ? '--http1.1' : '--http2',
                $o{cert} ? ('--cert', $o{cert}) : (),
                $o{from} ? ('-H', "X-Forwarded-For: $o{from}") : (),
                '-D', "$dir/$name.head", '-o', "$dir/$name.body",
                @{ $o{options} // [] }, "https://127.0.0.1:$port$uri");

    my $pid = fork // die "fork: $!";

    if (!$pid) {
        open STDERR, '>', "$dir/$name.error";
        open STDOUT, '>', '/dev/null';
        exec 'curl', @args;
        exit 127;
    }

    waitpid $pid, 0;

    my %r = (exit => $? >> 8, status => 0, headers => {},
             body => slurp("$dir/$name.body"));
    my @heads = split /\r\n\r\n/, slurp("$dir/$name.head");

    for (split /\r\n/, $heads[-1] // '') {
        $r{status} = $1 if m{^HTTP/\S+ (\d+)};
        $r{version} = $1 if m{^HTTP/(\S+)};
        $r{headers}{ lc $1 } = $2 if /^([^:]+):\s*(.*)$/;
    }

    unlink map { "$dir/$name.$_" } qw(head body error);

    return \%r;
}

sub slurp {
    my ($file) = @_;

    open my $fh, '<:raw', $file or return '';
    local $/;
    return <$fh> // '';
}

1;
