#!/usr/bin/perl

# A reload that fails leaves all as it was: workers that are there, and those
# that the master makes anew from what it has in memory.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Socket::INET;
use Test::Gate;
use Test::More;

my $size = 10_000;

my $t = Test::Gate->new;

$t->certificate('alice', email => 'alice@example.jp');
$t->countries('203.0.113.0/24' => 'JP');
$t->document('document', $size);
$t->write_file('docs/text', 'abc ' x 1000);
$t->write_file('bad.crl', 'no CRL');

# somebody else is there, so nginx cannot listen

my $taken = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1)
    or die $!;

# what is wrong with the other configuration, how the master says so, and what
# stands in it before that: a gate with another limit, or none

my %wrong = (
    'a CRL that is none' => [
        qr/\[emerg\].*bad\.crl/, sub { conf('bytes=1g', crl => 'bad.crl') } ],
    'a word that nginx does not know' => [
        qr/\[emerg\] .*unknown directive "nonsense"/,
        sub { conf('bytes=1g') . "nonsense on;\n" } ],
    'no gate, and such a word' => [
        qr/\[emerg\] .*unknown directive "nonsense"/,
        sub { conf() . "nonsense on;\n" } ],
    'a port that is taken' => [
        qr/\[emerg\].*still could not bind/,
        sub { conf('bytes=1g', listen => $taken->sockport) } ],
);

for my $what (sort keys %wrong) {
    my ($says, $conf) = @{ $wrong{$what} };
    my $user = "user of $what" =~ tr/ /-/r;
    my $port = $t->port;
    my $nginx = $t->nginx(conf("bytes=@{[ 2 * $size ]}"), port => $port,
                          expected => qr/\[emerg\]|exited on signal 9/);
    my ($worker) = $nginx->workers;

    whole("$what, before", $port, "$user-1");

    $nginx->write_conf($conf->());
    kill HUP => $nginx->{pid};
    ok($t->wait_for(sub { $nginx->said($says) }), "$what: nginx says so");

    is(join(' ', $nginx->workers), $worker, "$what: the worker stays");
    whole("$what, after it", $port, "$user-2");

    kill KILL => $worker;
    ok($t->wait_for(sub {
           my @workers = $nginx->workers;
           return @workers && $workers[0] != $worker;
       }), "$what: another worker is made");
    whole("$what, another worker", $port, "$user-3");

    is(get('/document', $port, "$user-2")->{status}, 429,
       "$what: who has had his share has had it");
    $nginx->stop;
}

$t->done;

# Counted, refused with a page, and what nginx's own filters do.

sub whole {
    my ($what, $port, $user) = @_;

    is(join(' ', map { get('/document', $port, $user)->{status} } 1 .. 3),
       '200 200 429', "$what: so many bytes, and no more");

    my $r = get('/document', $port, $user, Accept => 'application/json');

    is($r->{headers}{'content-type'}, 'application/problem+json',
       "$what: a refusal says what it is");
    is(get('/returned', $port, '', Accept => 'text/plain')->{status}, 403,
       "$what: what \"return\" answers is gated");

    $r = get('/text', $port, "$user-text", 'Accept-Encoding' => 'gzip');

    is($r->{headers}{'content-encoding'}, 'gzip', "$what: compressed");
    is($r->{headers}{'x-added'}, 'yes', "$what: with a header");
    is(get('/document', $port, "$user-part", Range => 'bytes=0-9')->{status},
       206, "$what: in parts");
}

sub get {
    my ($uri, $port, $user, %headers) = @_;

    return $t->get($uri, port => $port,
                   headers => { %headers, 'X-User' => $user });
}

sub conf {
    my ($quota, %o) = @_;

    my $crl = $o{crl} ? "crl  $o{crl};" : '';
    my $listen = $o{listen} ? "listen  127.0.0.1:$o{listen};" : '';
    my $policy = $quota ? <<"END" : '';
    gate_policy staff {
        certificate  optional;
        user         \$http_x_user;
        quota        $quota per=day @{[ $t->noon ]};
        $crl
    }
END
    my $gate = $quota ? 'gate  staff;' : '';

    return $t->conf(workers => 1, http => $policy, server => <<"END");
        $listen
        $gate
        gzip        on;
        gzip_types  *;
        add_header  X-Added yes always;

        location = /returned { return 200 secret; }
END
}
