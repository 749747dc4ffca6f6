#!/usr/bin/perl

# gate_audit syslog: a datagram an event, with the header of nginx's own logs.
# A reader that stalls, goes away or comes back holds nobody; what is dropped is
# counted, and told elsewhere.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use JSON::PP;
use Socket qw(SOCK_DGRAM);
use Test::Gate;
use Test::More;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->document('report', 100);

my $file = $t->dir . '/log.sock';
my $reader = listen_at($file);
my $udp = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Proto => 'udp');
my $port = $udp->sockport;
my $nginx = $t->nginx(conf());

ask(1);

my $message = received($reader);

like($message, qr/^<174>\w{3} [ \d]\d \d\d:\d\d:\d\d \S+ gate: \{.*\}$/,
     'facility and severity, time, host and tag; and the event');
like(received($udp), qr/^<190>\w{3} .* nginx: \{.*\}$/, 'over UDP, too');

my $e = event($message);

is(join(' ', map { $e->{$_} } qw(event.action user.name url.path
                                 http.response.body.bytes)),
   'download alice /report 100', 'what happened');
ask(10);
is(scalar(grep { event(received($reader)) } 1 .. 10), 10, 'each is one');

# a reader that stalls: nobody waits

my $offered = 3000;

is(metric('syslog', 'dropped'), 0, 'nothing was dropped so far');

my $written = metric('syslog', 'written');
my %statuses = ask($offered);

is_deeply(\%statuses, { 200 => $offered }, 'it stalls: all are served');
cmp_ok(metric('syslog', 'dropped'), '>', 1000, 'events are dropped');
is($nginx->said(qr/audit: unix:\S+ does not take events in time/), 1,
   'one line of the log says so');
ok($t->wait_for(sub { grep { $_ eq 'audit-dropping' } actions() }),
   'so does the file');

# it reads again

my %seen;
my $dropped = metric('syslog', 'dropped');

$t->wait_for(sub {
    while (defined(my $message = received($reader, 0.2))) {
        $seen{ event($message)->{'event.id'} }++;
    }

    return keys(%seen) + $dropped >= $offered;
});

is($dropped + keys %seen, $offered,
   'what was received and dropped is what was offered');
is(metric('syslog', 'dropped'), $dropped, 'nothing more was dropped');
is((grep { $_ != 1 } values %seen), 0, 'each came once');
ok($t->wait_for(sub { grep { $_ eq 'audit-dropped' } actions() }),
   'the file says that it is over');
is((grep { $_->{'event.action'} eq 'audit-dropped' } states())[0]
   {'gate.dropped'}, $dropped, 'and how many');
is($nginx->said(qr/audit: unix:\S+: $dropped events were dropped/), 1,
   'so does the log');

# it goes away and comes back

$reader->close;
unlink $file;
ask(20);
ok($t->wait_for(sub { $nginx->said(qr/audit: unix:\S+: (send|connect)\(\)/) }),
   'it is away');
$reader = listen_at($file);
is(scalar(grep { event(received($reader)) } 1 .. 20), 20,
   'it is back: what waited comes');
is(metric('syslog', 'dropped'), $dropped, 'nothing was dropped');
ok($t->wait_for(sub { $nginx->said(qr/audit: unix:\S+ takes events again/) }),
   'the log says so');
is($nginx->said(qr/audit: unix:\S+: (send|connect)\(\)/), 1,
   'and said once that it was away');

# what waits when a worker exits is counted

$reader->close;
unlink $file;
ask(7);
$nginx->reload(conf());
ok($t->wait_for(sub { metric('syslog', 'dropped') == $dropped + 7 }),
   'what a worker leaves behind is counted')
    or diag(metric('syslog', 'dropped') - $dropped);

$t->done;


sub conf {
    return $t->conf(workers => 1, http => <<'END', server => <<"END2");
    gate_policy all { certificate off; user $http_x_user; }
END
        gate        all;
        gate_audit  syslog:server=unix:$file,tag=gate,facility=local5
                    events=download;
        gate_audit  file %%DIR%%/state.json events=state;

        location = /metrics { gate off; gate_metrics; }
        location = /udp     {
            gate_audit  syslog:server=127.0.0.1:$port;
            alias       %%DIR%%/docs/report;
        }
END2
}


sub listen_at {
    my ($file) = @_;

    return IO::Socket::UNIX->new(Local => $file, Type => SOCK_DGRAM)
           // die "$file: $!";
}


sub received {
    my ($socket, $seconds) = @_;

    return undef unless IO::Select->new($socket)->can_read($seconds // 10);

    $socket->recv(my $message, 65536);
    return $message;
}


sub event {
    my ($message) = @_;

    return JSON::PP->new->utf8->decode($message =~ s/^[^{]*//r);
}


sub ask {
    my ($n) = @_;

    my $client = $t->client;
    my %statuses;

    for (1 .. $n) {
        my $r = $client->request('/report', headers => { 'X-User' => 'alice' });

        $statuses{ $r->{status} }++;
        $client = $t->client
            if ($r->{headers}{connection} // '') eq 'close' || !$r->{status};
    }

    $t->get('/udp') if $n == 1;

    return %statuses;
}


sub states {
    return map { JSON::PP->new->utf8->decode($_) }
           split /\n/, $t->read_file('state.json');
}


sub actions { return map { $_->{'event.action'} } states() }


sub metric {
    my ($sink, $result) = @_;

    my ($value) = $t->get('/metrics')->{body}
        =~ /^nginx_gate_audit_events_total
            \{sink="$sink",result="$result"\}\ (\d+)$/mx;

    return $value;
}
