#!/usr/bin/perl

# The Lua scripts are the ledger of t/unit/lease_model.c: both are asked the
# same questions, late and repeated ones too, through losses of memory, and
# must answer alike, field by field.
#
# Redis' clock cannot be set, so this is replaced in a script: redis.call('TIME')
# becomes KEYS[2] and KEYS[3]; and KEYS[4] is the server's run id.  Epochs have
# a test of their own.
#
#   GATE_HISTORY=100000 GATE_SEED=7 prove t/scripts.t

use warnings;
use strict;

use Test::More;
use File::Temp qw/ tempdir /;
use FindBin;
use IO::Socket::UNIX;
use POSIX qw/ _exit /;

my $root = "$FindBin::Bin/..";
my $dir = tempdir(CLEANUP => 1);
my $questions = $ENV{GATE_HISTORY} || 20000;
my $seed = $ENV{GATE_SEED} || time();

plan(tests => 4);

my ($pid, $redis) = redis_start();
my %sha = map { $_ => ask('SCRIPT', 'LOAD', script($_)) } qw/ draw settle /;

is(system('cc', '-O2', '-std=c99', '-Wall', '-Wextra', '-Werror',
	"-I$root/module/policy", "$root/t/unit/lease_model.c", '-o',
	"$dir/model"), 0, 'the model compiles');

my ($asked, $hashes, $differs, @history) = (0, 0);

open(my $model, '-|', "$dir/model", '--history', $questions, $seed)
	or die "model: $!\n";

while (my $line = <$model>) {
	chomp $line;
	$differs = compare($line);
	last if $differs;
}

close($model);

is($differs, undef, "scripts answer as the model, seed $seed")
	or diag(join("\n", 'after:', @history));
cmp_ok($asked, '>=', $questions, "$questions questions were asked");
cmp_ok($hashes, '>', 0, 'and the hashes looked at');

END {
	my $status = $?;
	kill('TERM', $pid) && waitpid($pid, 0) if $pid;
	$? = $status;
}

###############################################################################

# does what a line of the model says; the answer is what differs, if any

{
my %saved;

sub compare {
	my ($line) = @_;
	my ($verb, @args) = split(/ /, $line);

	push @history, $line;

	if ($verb eq 'new' || $verb eq 'flush') {
		@history = ($line), %saved = () if $verb eq 'new';
		ask('FLUSHALL');
		return;
	}

	if ($verb eq 'expire') {
		ask('DEL', 'account');
		return;
	}

	if ($verb eq 'save') {
		%saved = @{ ask('HGETALL', 'account') };
		return;
	}

	if ($verb eq 'restore') {
		ask('DEL', 'account');
		ask('HSET', 'account', %saved) if %saved;
		return;
	}

	if ($verb eq 'hash') {
		my %hash = @{ ask('HGETALL', 'account') };
		my $got = join(' ', sort map { "$_=$hash{$_}" } keys %hash);
		my $want = join(' ', sort @args);

		$hashes++;

		return $got eq $want ? undef : "the hash is\n$got\nand not\n$want";
	}

	return question($verb, $line);
}
}

sub question {
	my ($verb, $line) = @_;
	my ($argv, $want) = $line =~ /^\w+ (.*) = (.*)$/ or die "model: $line\n";
	my ($ms, @argv) = split(/ /, $argv);

	# the epoch has long begun, the node has nothing else to tell

	ask('HSET', 'epoch', 'id', 1, 'run', 'R', 'open', 0);

	my $reply = ask('EVALSHA', $sha{$verb}, 5, 'account', int($ms / 1000),
		$ms % 1000 * 1000, 'R', 'epoch', @argv[0 .. 2], 0, 0,
		@argv[3 .. $#argv]);
	my $got = ref $reply ? "@$reply[2 .. $#$reply]" : $reply;

	$asked++;

	return $got eq $want ? undef : "the answer is\n$got\nand not\n$want";
}

# a script as the module has it, but for the clock

sub script {
	my ($name) = @_;
	my $text = '';

	for my $file (qw/ epoch documents account /, $name) {
		open(my $fh, '<', "$root/module/ledger/$file.lua")
			or die "$file: $!\n";
		local $/;
		$text .= <$fh>;
	}

	$text =~ s/redis\.call\('TIME'\)/{ KEYS[2], KEYS[3] }/g == 1
		or die "the scripts look at the clock once\n";
	$text =~ s/redis\.call\('INFO', 'server'\):match\S+/KEYS[4]/g == 1
		or die "the scripts ask for the server once\n";

	return $text;
}

sub redis_start {
	my $path = "$dir/redis.sock";
	my $child = fork() // die "fork: $!\n";

	if ($child == 0) {
		open(STDOUT, '>', "$dir/redis.log");
		exec('redis-server', '--port', 0, '--unixsocket', $path, '--save',
			'', '--appendonly', 'no', '--dir', $dir) or _exit(1);
	}

	for (1 .. 200) {
		my $s = IO::Socket::UNIX->new(Peer => $path);
		return ($child, $s) if $s;
		die "redis-server does not start\n" if waitpid($child, 1);
		select(undef, undef, undef, 0.05);
	}

	die "redis-server does not listen\n";
}

sub ask {
	my (@args) = @_;

	print $redis '*' . @args . "\r\n",
		map { '$' . length($_) . "\r\n$_\r\n" } @args;
	$redis->flush();

	return answer();
}

sub answer {
	my $line = <$redis> // die "redis-server has gone\n";
	$line =~ s/\r\n$//;
	my ($type, $rest) = (substr($line, 0, 1), substr($line, 1));

	return $rest if $type =~ /[+:-]/;
	return [ map { answer() } 1 .. $rest ] if $type eq '*';

	read($redis, my $bulk, $rest + 2);
	return substr($bulk, 0, $rest);
}

###############################################################################
