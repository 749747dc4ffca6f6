#!/usr/bin/perl

# A session that is resumed: the client does not send its chain again, so it is
# resumed only if the server can build that without it.  Either way who may pass
# passes, and who may not does not.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->document('report', 1000);

# the server has ca and known; only clients have far, and farther, which it signs

$t->ca('ca');
$t->ca($_, by => 'ca') for qw(known far);
$t->ca('farther', by => 'far');
$t->certificate('alice', email => 'alice@example.jp');
$t->certificate('bob', email => 'bob@example.jp', ca => 'known',
                with => 'known');
$t->certificate('carol', email => 'carol@example.jp', ca => 'far',
                with => 'far');
$t->write_file('both.pem', join '', map { $t->read_file("$_.pem") }
                           qw(farther far));
$t->certificate('dave', email => 'dave@example.jp', ca => 'farther',
                with => 'both');
$t->certificate('erin', email => 'erin@example.jp', self => 1);

my %resumed = (alice => 1, bob => 1, carol => 0, dave => 0);

my $other = $t->port;
my $server = <<'END';
        ssl_trusted_certificate  %%DIR%%/known.pem;
        ssl_verify_depth         3;
        gate                     staff;
END

$t->nginx($t->conf(
    http => 'ssl_protocols  TLSv1.2 TLSv1.3;'
            . 'gate_policy staff { user $gate_cert_email; }',
    server => $server . <<"END"));
    }

    server {
        listen                   127.0.0.1:%%PORT%% ssl http2;
        server_name              other.example;
        ssl_certificate          %%DIR%%/localhost.pem;
        ssl_certificate_key      %%DIR%%/localhost.pem;
        ssl_client_certificate   %%DIR%%/ca.pem;
        ssl_verify_client        optional;
        root                     %%DIR%%/docs;
$server
END

for my $version ('TLSv1_2', 'TLSv1_3') {
    for my $host ('localhost', 'other.example') {
        for my $who (sort keys %resumed) {
            my $what = "$who, $version, $host";
            my %tls = (
                SSL_version => $version, SSL_session_key => 'key',
                SSL_hostname => $host, SSL_verify_mode => 0,
                SSL_session_cache => IO::Socket::SSL::Session_Cache->new(9));
            my ($reused, $status) = ('', '');
            my @clients;

            for (1 .. 3) {
                push @clients, $t->client(cert => $who, tls => \%tls);

                $status .= $clients[-1]->request('/report',
                                                 headers => { Host => $host })
                                       ->{status} . ' ';
                $reused .= $clients[-1]{socket}->get_session_reused ? 1 : 0;
            }

            is($status, '200 200 200 ', "$what: passes each time");
            is($reused, $resumed{$who} ? '011' : '000',
               $resumed{$who} ? "$what: the session is resumed"
                              : "$what: a whole handshake each time");
        }
    }

    my %tls = (SSL_version => $version, SSL_session_key => 'key',
               SSL_session_cache => IO::Socket::SSL::Session_Cache->new(9));

    for (1, 2) {
        my $client = $t->client(cert => 'erin', tls => \%tls);

        is($client->request('/report')->{status}, 400,
           "$version: a certificate that does not verify, time $_");
        $client->close;
    }
}

$t->done;
