#!/usr/bin/perl

# The reference that a refused client is given is nginx's $request_id wherever
# it is told, whoever asks for it first; and no two requests have the same.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

# of each client: more than the random bytes that a worker draws at once suffice
# for

my ($clients, $requests) = (4, 300);

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->document('a', 100);

$t->nginx($t->conf(http => <<'END', server => <<'END2'));
    log_format ids '$request_id $gate_event';

    gate_policy closed { certificate required; }
    gate_policy open { certificate off; }
END
        access_log  %%DIR%%/ids.log ids;

        location /refused/ { gate closed; }
        location /asked/ {
            gate closed;
            set $before $request_id;
            add_header Before $before always;
        }
        location /passed/ {
            gate open;
            add_header Event $gate_event;
            alias %%DIR%%/docs/;
        }
END2

my @json = (headers => { Accept => 'application/json' });
my %told;

for my $client (map { $t->client } 1 .. $clients) {
    $told{ reference($client->request('/refused/a', @json)) }++
        for 1 .. $requests;
}

is(keys %told, $clients * $requests, 'each refused request has its own');

$t->logged($clients * $requests, 'ids.log');

my @logged = $t->read_file('ids.log') =~ /^(\w+) (\w+)$/mg;

is_deeply([ sort @logged ], [ sort map { ($_) x 2 } keys %told ],
          'the access log has the same, as $request_id and as $gate_event');

my $r = $t->client->request('/asked/a', @json);

is(reference($r), $r->{headers}{before}, 'what nginx made before is kept');

$r = $t->client->request('/passed/a');
my $event = $r->{headers}{event};

like($event, qr/^[0-9a-f]{32}$/, 'who passes has one, too');
is($t->logged($clients * $requests + 2, 'ids.log'), "$event $event",
   'and it is in the log');

$t->done;

sub reference {
    my ($r) = @_;

    return ($r->{body} =~ /"reference":"([0-9a-f]{32})"/)[0] // '';
}
