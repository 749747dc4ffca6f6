#!/usr/bin/perl

# Connections from countries that every policy refuses are closed as soon as
# they are accepted, before the TLS handshake, by the address of the peer.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Select;
use IO::Socket::INET;
use Test::Gate;
use Test::More;
use Time::HiRes qw(time);

my %from = (JP => '127.0.0.1', KP => '127.0.0.2', RU => '127.0.0.3',
            office => '127.0.0.4', nowhere => '127.0.0.5', IR => '127.0.0.6');

my $t = Test::Gate->new;

$t->document('report', 1000);
countries();

my ($main, $partial, $mixed, $whole, $plain) = ($t->{port},
                                                map { $t->port } 1 .. 4);

my $tls = <<'END';
        ssl_certificate         %%DIR%%/localhost.pem;
        ssl_certificate_key     %%DIR%%/localhost.pem;
        ssl_client_certificate  %%DIR%%/ca.pem;
        ssl_verify_client       optional;
        root                    %%DIR%%/docs;
        gate                    staff;
END

my $conf = $t->conf(http => <<'END', server => <<'END2')
    gate_policy staff {
        certificate    off;
        allow_country  JP unknown KP;
        deny_country   KP;
        allow_network  127.0.0.4;
    }
    gate_policy other {
        certificate   off;
        deny_country  any;
    }
END
        gate               staff;
        gate_drop_country  KP;
        gate_drop_country  ir;

        location /other   { gate other; }
        location = /metrics { gate off; gate_metrics; }
        location /public  { gate off; return 200; }
END2
    =~ s/country\.mmdb/country.mmdb reload=100ms/r
    =~ s/set_real_ip_from[^\n]*\n//r
    =~ s/^\}\n\z/<<"END"/mer;

    # two servers, of which one drops

    server {
        listen  127.0.0.1:$partial ssl;
        gate_drop_country  KP;
$tls
    }
    server {
        listen  127.0.0.1:$partial ssl;
        server_name  b;
$tls
    }

    # a wildcard's socket serves an address, too: of two that drop not the same

    server {
        listen  $mixed ssl;
        gate_drop_country  KP RU;
$tls
    }
    server {
        listen  127.0.0.1:$mixed ssl;
        gate_drop_country  KP;
$tls
    }

    # and an address has a socket of its own

    server {
        listen  $whole ssl reuseport;
$tls
    }
    server {
        listen  127.0.0.1:$whole ssl reuseport;
        gate_drop_country  any;
        ssl_certificate      %%DIR%%/localhost.pem;
        ssl_certificate_key  %%DIR%%/localhost.pem;
    }

    # without TLS

    server {
        listen  127.0.0.1:$plain reuseport;
        gate_drop_country  unknown;
        root               %%DIR%%/docs;
    }
}
END

my $nginx = $t->nginx($conf);
my $began = time;

# who is dropped, and who is refused, and who passes

is(at('JP'), '200', 'a country that passes');
is(at('KP'), 'closed', 'one that is dropped');
is(at('IR'), 'closed', 'and another');
is(at('RU'), '403', 'one that is only refused');
is(at('nowhere'), '200', 'nowhere passes');
is(at('office'), '200', 'an exempt network passes, wherever it is');
is(at('KP', uri => '/public'), 'closed', 'also where no policy stands');
is(bytes('KP', $main), '', 'without a byte, before any was sent');

# where not all servers of an address drop it, nobody is dropped

is(at('KP', port => $partial), '403', 'one of two servers drops');
is(at('KP', port => $mixed), 'closed', 'both drop, over one socket');
is(at('RU', port => $mixed), '403', 'of what they drop, what is common');
is(at('JP', port => $mixed), '200', 'and nothing else');
is(at($_, port => $whole), 'closed', "an address of its own: $_")
    for qw(JP KP nowhere);
is(at('KP', port => $whole, to => '127.0.0.9'), '403',
   'the wildcard beside it drops nobody');
is(bytes('nowhere', $plain), '', 'without TLS');
like(bytes('JP', $plain, "GET /report HTTP/1.0\r\n\r\n"), qr/^HTTP\S+ 200 /,
     'and others pass');

# it is told, in a line a second and worker

my $closed = grep { at('KP') eq 'closed' } 1 .. 200;

is($closed, 200, '200 more');
$t->wait_for(sub { told() == 209 });
is(told(), 209, 'are told, all in all');
is($t->metric('dropped_connections_total', 209), 209,
   'and counted by a metric');

my $lines = $nginx->said(qr/ dropped \d+ connections of countries/);

cmp_ok($lines, '<=', 2 * (time - $began + 2), "in a few lines ($lines)");
is($nginx->said(qr/\[notice\][^"]* the last of 127\.0\.0\.2, country KP$/) > 0,
   1, 'with the last address and country');

# a database that changes

countries(KP => 'JP');
$t->wait_for(sub { at('KP') eq '200' });
is(at('KP'), '200', 'an address that moved');
countries();
$t->wait_for(sub { at('KP') eq 'closed' });
is(at('KP'), 'closed', 'and moved back');

# a reload without, and with it again

$nginx->reload($conf =~ s/^ +gate_drop_country[^\n]*\n//gmr);
is(at('KP'), '403', 'a reload without it');
is(at('nowhere', port => $plain, plain => 1), '200', 'anywhere');
$nginx->reload($conf);
is(at('KP'), 'closed', 'and with it again');
is(at('JP'), '200', 'others pass');

$t->done;

sub countries {
    my (%other) = @_;

    $t->countries("$from{office}/32" => 'KP',
                  map { ("$from{$_}/32" => $other{$_} // $_) }
                      qw(JP KP RU IR));
}

# The status of a request from there, or "closed".

sub at {
    my ($from, %o) = @_;

    my $client = Test::Gate::Client->new(
        port => $o{port} // $main, plain => $o{plain}, tls => {
            LocalAddr => $from{$from},
            $o{to} ? (PeerAddr => "$o{to}:$o{port}") : () });

    return 'closed' unless $client;

    return $client->request($o{uri} // '/report', close => 1)->{status};
}

# What is sent to a connection from there before it is closed.

sub bytes {
    my ($from, $port, $request) = @_;

    my $socket = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port",
                                       LocalAddr => $from{$from})
        or return 'no connection';
    my $bytes = '';

    print $socket $request if $request;

    while (1) {
        IO::Select->new($socket)->can_read(15) or return 'not closed';
        sysread $socket, $bytes, 65536, length $bytes or return $bytes;
    }
}

sub told {
    my $sum = 0;

    $sum += $_ for $t->read_file($nginx->{log})
                   =~ /gate: dropped (\d+) connections/g;

    return $sum;
}
